/* Clients: see client.h. */
#include "client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "cleanup.h"

int64_t client_clock(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void client_init(struct client *client, int fd)
{
	*client = (struct client){ .fd = fd, .progress = client_clock() };
}

void client_drop(struct client *client)
{
	close_fd(&client->fd);
	queue_free(&client->queue);
}

static void send_parts(struct client *client, struct iovec *parts, int count)
{
	const struct msghdr message = { .msg_iov = parts, .msg_iovlen = count == 2 ? 2 : 1 };
	ssize_t sent = 0;

	if (client->queue.length == 0) {
		client->progress = client_clock();
		sent = sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			client_drop(client);
			return;
		}
		sent = sent < 0 ? 0 : sent;
	}
	for (int i = 0; i < count; i++) {
		size_t taken = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;

		sent -= (ssize_t)taken;
		if (taken == parts[i].iov_len)
			continue;
		if (queue_put(&client->queue, (char *)parts[i].iov_base + taken, parts[i].iov_len - taken))
			continue;
		/* A stream with a hole in it is worse than one that ends. */
		client_drop(client);
		return;
	}
}

void client_send(struct client *client, const void *bytes, size_t size)
{
	send_parts(client, &(struct iovec){ (void *)(uintptr_t)bytes, size }, 1);
}

void client_output(struct client *client, enum stream stream, const char *bytes, size_t size)
{
	uint8_t header[8] = { (uint8_t)stream, 0, 0, 0, (uint8_t)(size >> 24), (uint8_t)(size >> 16),
		(uint8_t)(size >> 8), (uint8_t)size };
	struct iovec parts[2] = { { header, sizeof(header) }, { (void *)(uintptr_t)bytes, size } };

	if (!client_has(client, stream == STREAM_STDERR ? CLIENT_STDERR : CLIENT_STDOUT) || client->closing)
		return;
	if (client_has(client, CLIENT_FRAMED))
		send_parts(client, parts, 2);
	else
		send_parts(client, parts + 1, 1);
}

void client_flush(struct client *client)
{
	long sent = queue_send(&client->queue, client->fd);

	if (sent > 0)
		client->progress = client_clock();
	if (sent < 0 || (client->closing && client->queue.length == 0))
		client_drop(client);
}

bool client_holds(struct client *client)
{
	if (!client_has(client, CLIENT_HOLD) || client->queue.length < QUEUE_HIGH)
		return false;
	if (client_clock() - client->progress < STALL_MS)
		return true;
	client_drop(client);
	return false;
}
