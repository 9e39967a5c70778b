/* What clients ask for: see attach.h. */
#include "attach.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

void attach_accept(struct loop *loop)
{
	int fd = accept4(loop->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (loop->clients[i].fd >= 0)
			continue;
		client_init(&loop->clients[i], fd);
		return;
	}
	(void)close(fd);
}

/* Input goes through one buffer: who sends more waits until the program has read. */
static bool may_read(const struct loop *loop, const struct client *client)
{
	if (client->input_ended)
		return false;
	if (client->greeted < CLIENT_HELLO || !client_has(client, CLIENT_STDIN))
		return true;
	return loop->input_length == 0 && !loop->recorded;
}

static bool has_input(const struct loop *loop, const struct client *client)
{
	return client_has(client, CLIENT_STDIN) && !client->input_ended && !loop->recorded;
}

struct pollfd attach_want(const struct loop *loop, const struct client *client)
{
	short events = 0;

	/* poll(2) cannot be asked not to tell again that it is gone. */
	if (client->gone && !may_read(loop, client))
		return (struct pollfd){ -1, 0, 0 };
	if (client->fd >= 0 && may_read(loop, client))
		events |= POLLIN;
	if (client->queue.length > 0)
		events |= POLLOUT;
	return (struct pollfd){ client->fd, events, 0 };
}

static unsigned short read_u16(const uint8_t *bytes)
{
	return (unsigned short)(bytes[0] | bytes[1] << 8);
}

static void greet(struct loop *loop, struct client *client)
{
	uint8_t answer[2] = { client->hello[0], 0 };

	switch (client->hello[0]) {
	case 'A':
		loop->awaited = 0;
		client_send(client, answer, 1);
		return;
	case 'K':
		program_kill(&loop->program, client->hello[1]);
		client->closing = true;
		client_send(client, answer, 1);
		client_flush(client);
		return;
	case 'W':
		client_send(client, answer, 1);
		return;
	case 'R':
		answer[1] = (uint8_t)program_resize(
			&loop->program, read_u16(client->hello + 4), read_u16(client->hello + 6));
		client->greeted = 0;
		client_send(client, answer, 2);
		return;
	default:
		client_drop(client);
	}
}

static void read_hello(struct loop *loop, struct client *client)
{
	ssize_t got = recv(client->fd, client->hello + client->greeted, CLIENT_HELLO - client->greeted, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		client_drop(client);
		return;
	}
	client->greeted += (size_t)got;
	if (client->greeted == CLIENT_HELLO)
		greet(loop, client);
}

/*
 * The end of a client's input is that of the program's with StdinOnce, but not of a terminal: there the one who
 * attaches next goes on.
 */
static void end_input(struct loop *loop, struct client *client)
{
	if (client->input_ended)
		return;
	client->input_ended = true;
	if (!client_has(client, CLIENT_STDIN) || !loop->options->stdin_once || loop->options->terminal)
		return;
	loop->input_ends = true;
	if (loop->input_length == 0)
		close_fd(&loop->program.input);
}

static void read_input(struct loop *loop, struct client *client)
{
	const bool wanted = client_has(client, CLIENT_STDIN) && loop->program.input >= 0;
	ssize_t got = recv(client->fd, loop->input, sizeof(loop->input), 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		end_input(loop, client);
		return;
	}
	if (!wanted || loop->input_ends)
		return;
	loop->input_at = 0;
	loop->input_length = (size_t)got;
}

void attach_serve(struct loop *loop, struct client *client, short revents)
{
	client->gone |= (revents & (POLLHUP | POLLERR)) != 0;
	if ((revents & POLLOUT) != 0)
		client_flush(client);
	if (client->fd >= 0 && (revents & POLLIN) != 0 && may_read(loop, client)) {
		if (client->greeted < CLIENT_HELLO)
			read_hello(loop, client);
		else
			read_input(loop, client);
	}
	if (client->fd < 0 || !client->gone || has_input(loop, client))
		return;
	end_input(loop, client);
	client_drop(client);
}
