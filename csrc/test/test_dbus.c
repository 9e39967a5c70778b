/* The D-Bus transport and the ops for systemd, against a server that says what each test scripts. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build_reply.h"
#include "cleanup.h"
#include "dbus.h"
#include "tap.h"

#define NO_UNIT "org.freedesktop.systemd1.NoSuchUnit"

static struct dbus dbus = { .fd = -1, .signal_fd = -1 };

/* A connection whose other end has sent these bytes and stays open. */
static int connection(const void *bytes, size_t size)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
		write(pair[1], bytes, size) != (ssize_t)size)
		abort();
	dbus_close(&dbus);
	dbus.fd = pair[0];
	dbus.serial = 0;
	dbus_begin(&dbus, -1);
	return pair[1];
}

static struct dbus_call *ping(void)
{
	static const struct dbus_method method = {
		.destination = "a.b", .path = "/", .interface = "a.b", .member = "Ping", .signature = "u"
	};
	static struct dbus_call call;

	dbus_begin_call(&call, &method);
	dbus_put_u32(&call, 0x01020304);
	return &call;
}

static void test_reply(void)
{
	const struct reply others[] = {
		{ .type = DBUS_SIGNAL, .member = "UnitNew", .signature = "so", .texts = { "x", "/x" } },
		{ .type = DBUS_METHOD_RETURN, .serial = 9 },
		{ .type = DBUS_METHOD_RETURN, .serial = 1, .signature = "o", .texts = { "/job/1" } },
	};
	struct message all = { .size = 0 };
	struct message one;
	struct dbus_message reply;
	struct failure failure = { 0 };
	const char *job = "";
	const size_t size = ping()->size;
	uint8_t sent[128];
	int server;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		build(&one, &others[i]);
		put(&all, one.bytes, one.size);
	}
	server = connection(all.bytes, all.size);
	OK(dbus_call(&dbus, ping(), &reply, &failure) == 0,
		"the reply is found behind a signal and another call's reply");
	OK(dbus_texts(&dbus, &reply, "o", &job) && strcmp(job, "/job/1") == 0, "and its object path is read");
	OK(!dbus_texts(&dbus, &reply, "s", &job), "but not as a text");
	OK(read(server, sent, sizeof(sent)) == (ssize_t)size && memcmp(sent, "l\1\0\1\4\0\0\0\1\0\0\0", 12) == 0 &&
			memcmp(sent + size - 4, "\4\3\2\1", 4) == 0,
		"the call went out with the length of its body and its serial");
	(void)close(server);
}

static void test_error_reply(void)
{
	const struct reply error = {
		.type = DBUS_ERROR, .serial = 1, .error = NO_UNIT, .signature = "s", .texts = { "Unit x not loaded." }
	};
	struct message message;
	struct dbus_message reply;
	struct failure failure = { 0 };
	int server;

	build(&message, &error);
	server = connection(message.bytes, message.size);
	OK(dbus_call(&dbus, ping(), &reply, &failure) < 0 && dbus_is_error(&failure, NO_UNIT),
		"an error reply is a failure");
	OK(!dbus_is_error(&failure, "org.freedesktop.systemd1.NoSuch"), "of exactly that name");
	OK(memcmp(failure.detail, NO_UNIT "\0Unit x not loaded.", failure.detail_length) == 0 &&
			failure.detail_length == sizeof(NO_UNIT "\0Unit x not loaded.") - 1,
		"with its text");
	(void)close(server);
}

static void test_long_message(void)
{
	const struct reply back = { .type = DBUS_METHOD_RETURN, .serial = 1 };
	struct message all;
	struct message one;
	struct dbus_message reply;
	struct failure failure = { 0 };
	uint32_t body = DBUS_MESSAGE_MAX + 5;
	int server;

	build(&all, &(struct reply){ .type = DBUS_SIGNAL, .member = "PropertiesChanged" });
	memcpy(all.bytes + 4, &body, sizeof(body));
	memset(all.bytes + all.size, 'x', body);
	all.size += body;
	build(&one, &back);
	put(&all, one.bytes, one.size);
	server = connection(all.bytes, all.size);
	OK(dbus_call(&dbus, ping(), &reply, &failure) == 0, "a signal that does not fit into the buffer is read past");
	(void)close(server);
}

static int receive_changed(const struct message *message, size_t at, uint32_t value, size_t size)
{
	struct message changed = *message;
	struct dbus_message received;
	struct failure failure = { 0 };
	int server;
	int result;

	memcpy(changed.bytes + at, &value, size);
	server = connection(changed.bytes, changed.size);
	(void)close(server);
	result = dbus_receive(&dbus, &received, &failure);
	return result < 0 ? failure.error : 0;
}

static void test_damage(void)
{
	const struct reply back = {
		.type = DBUS_SIGNAL, .member = "JobRemoved", .signature = "uoss", .texts = { "", "/j", "u", "done" }
	};
	struct message message;
	const char *texts[3];
	struct dbus_message received;
	struct failure failure = { 0 };
	int server;

	build(&message, &back);
	server = connection(message.bytes, message.size);
	OK(dbus_receive(&dbus, &received, &failure) == 0 && dbus_texts(&dbus, &received, "uoss", texts) &&
			strcmp(received.member, "JobRemoved") == 0 && strcmp(texts[2], "done") == 0,
		"JobRemoved is read as it is");
	(void)close(server);
	OK(receive_changed(&message, 0, 'B', 1) == EPROTO, "another byte order is refused");
	OK(receive_changed(&message, 3, 9, 1) == EPROTO, "another protocol version");
	OK(receive_changed(&message, 4, 0xffffffff, 4) == EPROTO, "an impossible size of the body");
	OK(receive_changed(&message, 12, 0xfffffff0, 4) == EPROTO, "an impossible size of the header");
	OK(receive_changed(&message, 20, 0x7fffffff, 4) == EPROTO, "a text longer than the header");
	OK(receive_changed(&message, 18, 'v', 1) == EPROTO, "a header field of another type");
	OK(receive_changed(&message, 4, 4000, 4) == ECONNRESET, "a message that ends early");
}

/* Whatever comes, the reader stays inside its buffer: run under the sanitizers by `npm test -- native`. */
static void test_noise(void)
{
	const struct reply back = {
		.type = DBUS_SIGNAL, .member = "JobRemoved", .signature = "uoss", .texts = { "", "/j", "u", "done" }
	};
	struct message message;
	unsigned int seed = 7;
	int survived = 0;

	for (int round = 0; round < 2000; round++) {
		struct dbus_message received;
		struct failure failure = { 0 };
		const char *texts[3];
		int server;

		build(&message, &back);
		for (int i = 0; i < 3; i++)
			message.bytes[(size_t)rand_r(&seed) % message.size] = (uint8_t)rand_r(&seed);
		server = connection(message.bytes, message.size);
		(void)close(server);
		if (dbus_receive(&dbus, &received, &failure) == 0)
			(void)dbus_texts(&dbus, &received, "uoss", texts);
		survived++;
	}
	OK(survived == 2000, "2000 damaged messages are read or refused");
}

static void test_bad_call(void)
{
	struct dbus_call *call = ping();
	struct failure failure = { 0 };
	struct dbus_message reply;
	int server = connection("", 0);

	for (int i = 0; i < DBUS_PARTS; i++)
		dbus_put_text(call, "of more parts than there is room for");
	OK(dbus_call(&dbus, call, &reply, &failure) < 0 && failure.problem == PROBLEM_BAD_PLAN,
		"a call that did not fit is not sent");
	(void)close(server);
}

/* A text whose bytes do not fit into what the socket takes at once. */
static void test_long_call(void)
{
	static char text[1 << 20];
	struct dbus_call *call = ping();
	struct message back;
	struct failure failure = { 0 };
	struct dbus_message reply;
	size_t size;
	pid_t reader;
	int status = -1;
	int server;

	memset(text, 'x', sizeof(text) - 1);
	build(&back, &(struct reply){ .type = DBUS_METHOD_RETURN, .serial = 1 });
	server = connection(back.bytes, back.size);
	dbus_put_text(call, text);
	size = call->size;
	fflush(stdout);
	reader = fork();
	if (reader == 0) {
		static char got[4096];
		ssize_t more;

		close_fd(&dbus.fd);
		while (size > 0 && (more = read(server, got, sizeof(got))) > 0)
			size -= (size_t)more;
		_exit(size == 0 ? 0 : 1);
	}
	OK(dbus_call(&dbus, call, &reply, &failure) == 0, "a call longer than the socket's buffer is sent");
	OK(waitpid(reader, &status, 0) == reader && status == 0, "as a whole");
	(void)close(server);
}

static void serve(int listener, const char *answer)
{
	int client = accept(listener, NULL, NULL);
	char line[128];
	ssize_t got = 0;

	/* The client says all at once, a NUL first. */
	while (client >= 0 && got < (ssize_t)sizeof("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n") - 1) {
		ssize_t more = read(client, line, sizeof(line));

		if (more <= 0)
			_exit(1);
		got += more;
	}
	(void)!write(client, answer, strlen(answer));
	_exit(0);
}

static int connect_to(const char *answer)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct failure failure = { 0 };
	cleanup_fd int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size;
	char path[64];
	pid_t server;
	int result;

	(void)snprintf(path, sizeof(path), "@tsrun-test-dbus-%d", getpid());
	memcpy(address.sun_path + 1, path + 1, strlen(path + 1));
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (bind(listener, (struct sockaddr *)(void *)&address, size) < 0 || listen(listener, 1) < 0)
		abort();
	fflush(stdout);
	server = fork();
	if (server == 0)
		serve(listener, answer);
	dbus_begin(&dbus, -1);
	result = dbus_connect(&dbus, path, &failure);
	(void)waitpid(server, NULL, 0);
	return result < 0 ? failure.error : 0;
}

static void test_connect(void)
{
	struct failure failure = { 0 };

	OK(connect_to("DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n") == 0,
		"a server that takes our credentials is connected to");
	OK(connect_to("REJECTED EXTERNAL\r\n") == EACCES, "one that does not is refused");
	OK(connect_to("DATA\r\n") == ECONNRESET, "one that goes away is an error");
	OK(dbus_connect(&dbus, "/nonexistent/socket", &failure) < 0 && failure.error == ENOENT,
		"a socket that is not there too");
}

static void test_signal(void)
{
	int stop[2];
	struct dbus_message received;
	struct failure failure = { 0 };
	int server = connection("", 0);

	OK(pipe(stop) == 0 && write(stop[1], "x", 1) == 1, "a signal is pending");
	dbus_begin(&dbus, stop[0]);
	OK(dbus_receive(&dbus, &received, &failure) < 0 && failure.error == EINTR, "and ends the waiting");
	(void)close(stop[0]);
	(void)close(stop[1]);
	(void)close(server);
}

int main(void)
{
	test_reply();
	test_error_reply();
	test_long_message();
	test_damage();
	test_noise();
	test_bad_call();
	test_long_call();
	test_connect();
	test_signal();
	return tap_done();
}
