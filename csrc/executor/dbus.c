/* The transport: see dbus.h. */
#include "dbus.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"

#define HEADER_SIZE  16
#define SERIAL_AT    8
#define MESSAGE_MOST (128u << 20) /* by the specification */

enum header_field { FIELD_MEMBER = 3, FIELD_ERROR_NAME = 4, FIELD_REPLY_SERIAL = 5, FIELD_SIGNATURE = 8 };

/* Offsets count from the beginning of the message, as alignment does. */
struct cursor {
	const uint8_t *bytes;
	size_t end;
	size_t at;
	bool bad;
};

void dbus_begin(struct dbus *dbus, int signal_fd)
{
	dbus->signal_fd = signal_fd;
	(void)clock_gettime(CLOCK_MONOTONIC, &dbus->until);
	dbus->until.tv_sec += DBUS_DEADLINE_MS / 1000;
}

void dbus_close(struct dbus *dbus)
{
	close_fd(&dbus->fd);
}

static int milliseconds_left(const struct dbus *dbus)
{
	struct timespec now;
	long left;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	left = (dbus->until.tv_sec - now.tv_sec) * 1000 + (dbus->until.tv_nsec - now.tv_nsec) / 1000000;
	return left <= 0 ? 0 : (int)left;
}

static int wait_until(struct dbus *dbus, short events, struct failure *reterr)
{
	struct pollfd fds[2] = {
		{ .fd = dbus->fd, .events = events },
		{ .fd = dbus->signal_fd, .events = POLLIN },
	};
	int ready;

	do
		ready = poll(fds, 2, milliseconds_left(dbus));
	while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return FAIL(reterr, "poll");
	if (ready == 0) {
		errno = ETIMEDOUT;
		return FAIL(reterr, "poll");
	}
	if (fds[1].revents == 0)
		return 0;
	errno = EINTR;
	return FAIL(reterr, "signal");
}

/* In as few calls as the socket takes. The parts are used up. */
static int send_parts(struct dbus *dbus, struct iovec *parts, int count, struct failure *reterr)
{
	while (count > 0) {
		struct msghdr message = { .msg_iov = parts };
		ssize_t sent;

		message.msg_iovlen = (__typeof__(message.msg_iovlen))count; /* an int in musl */
		sent = sendmsg(dbus->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			if (wait_until(dbus, POLLOUT, reterr) < 0)
				return -1;
			continue;
		}
		if (sent < 0)
			return FAIL(reterr, "send");
		for (; count > 0 && (size_t)sent >= parts->iov_len; parts++, count--)
			sent -= (ssize_t)parts->iov_len;
		if (count == 0)
			return 0;
		parts->iov_base = (uint8_t *)parts->iov_base + sent;
		parts->iov_len -= (size_t)sent;
	}
	return 0;
}

static int receive_bytes(struct dbus *dbus, void *bytes, size_t size, struct failure *reterr)
{
	char *at = bytes;

	while (size > 0) {
		ssize_t got;

		if (wait_until(dbus, POLLIN, reterr) < 0)
			return -1;
		got = recv(dbus->fd, at, size, MSG_DONTWAIT);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got == 0)
			errno = ECONNRESET;
		if (got <= 0)
			return FAIL(reterr, "recv");
		at += got;
		size -= (size_t)got;
	}
	return 0;
}

static int open_socket(const char *path, struct failure *reterr)
{
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);

	if (fd < 0)
		return FAIL(reterr, "socket");
	if (length >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return FAIL(reterr, "connect");
	}
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	/* The length counts: a NUL after an abstract name would be part of it. */
	if (connect(fd, (const struct sockaddr *)(const void *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '@' ? 0 : 1))) < 0)
		return FAIL(reterr, "connect");
	return steal_fd(&fd);
}

/* One line of the authentication, without its end. */
static int receive_line(struct dbus *dbus, char *line, size_t size, struct failure *reterr)
{
	size_t length = 0;

	while (length < size) {
		if (receive_bytes(dbus, line + length, 1, reterr) < 0)
			return -1;
		if (line[length++] != '\n')
			continue;
		line[length - 1] = '\0';
		return 0;
	}
	errno = EPROTO;
	return FAIL(reterr, "auth");
}

/*
 * EXTERNAL without an identity: the server takes the one that the kernel tells. To name one would be wrong in a user
 * namespace, where the same user has another number.
 */
static int authenticate(struct dbus *dbus, struct failure *reterr)
{
	static char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
	struct iovec part = { .iov_base = hello, .iov_len = sizeof(hello) - 1 };
	char line[256];

	if (send_parts(dbus, &part, 1, reterr) < 0 || receive_line(dbus, line, sizeof(line), reterr) < 0)
		return -1;
	if (strncmp(line, "DATA", 4) == 0 && receive_line(dbus, line, sizeof(line), reterr) < 0)
		return -1;
	if (strncmp(line, "OK ", 3) == 0)
		return 0;
	errno = EACCES;
	return FAIL(reterr, "auth");
}

int dbus_connect(struct dbus *dbus, const char *path, struct failure *reterr)
{
	dbus_close(dbus);
	dbus->serial = 0;
	dbus->fd = open_socket(path, reterr);
	if (dbus->fd >= 0 && authenticate(dbus, reterr) == 0)
		return 0;
	dbus_close(dbus);
	return -1;
}

static size_t aligned(size_t at, size_t to)
{
	return (at + to - 1) / to * to;
}

static uint32_t read_u32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t take_u32(struct cursor *cursor)
{
	size_t at = aligned(cursor->at, 4);

	if (cursor->bad || at > cursor->end || cursor->end - at < 4) {
		cursor->bad = true;
		return 0;
	}
	cursor->at = at + 4;
	return read_u32(cursor->bytes + at);
}

/* length bytes without a NUL among them, and one behind them. */
static const char *take_bytes(struct cursor *cursor, size_t length)
{
	const char *text = (const char *)cursor->bytes + cursor->at;

	if (cursor->bad || cursor->at >= cursor->end || cursor->end - cursor->at <= length ||
		strnlen(text, length + 1) != length) {
		cursor->bad = true;
		return "";
	}
	cursor->at += length + 1;
	return text;
}

static const char *take_text(struct cursor *cursor)
{
	return take_bytes(cursor, take_u32(cursor));
}

static const char *take_signature(struct cursor *cursor)
{
	if (cursor->bad || cursor->at >= cursor->end) {
		cursor->bad = true;
		return "";
	}
	return take_bytes(cursor, cursor->bytes[cursor->at++]);
}

/* One (yv) of the header. Fields have one of four types; of another one the length would not be known. */
static void take_field(struct cursor *cursor, struct dbus_message *message)
{
	const char *type;
	const char *text = "";
	uint32_t number = 0;
	uint8_t code;

	cursor->at = aligned(cursor->at, 8);
	if (cursor->at >= cursor->end) {
		cursor->bad = true;
		return;
	}
	code = cursor->bytes[cursor->at++];
	type = take_signature(cursor);
	if (strcmp(type, "s") == 0 || strcmp(type, "o") == 0)
		text = take_text(cursor);
	else if (strcmp(type, "g") == 0)
		text = take_signature(cursor);
	else if (strcmp(type, "u") == 0)
		number = take_u32(cursor);
	else
		cursor->bad = true;
	if (code == FIELD_MEMBER)
		message->member = text;
	else if (code == FIELD_ERROR_NAME)
		message->error = text;
	else if (code == FIELD_SIGNATURE)
		message->signature = text;
	else if (code == FIELD_REPLY_SERIAL)
		message->reply_serial = number;
}

static int skip(struct dbus *dbus, size_t size, struct failure *reterr)
{
	while (size > 0) {
		size_t part = size < sizeof(dbus->bytes) ? size : sizeof(dbus->bytes);

		if (receive_bytes(dbus, dbus->bytes, part, reterr) < 0)
			return -1;
		size -= part;
	}
	return 0;
}

int dbus_receive(struct dbus *dbus, struct dbus_message *ret_message, struct failure *reterr)
{
	struct cursor cursor = { .bytes = dbus->bytes, .at = HEADER_SIZE };
	uint32_t body;
	uint32_t fields;
	size_t rest;

	*ret_message = (struct dbus_message){ .member = "", .error = "", .signature = "" };
	if (receive_bytes(dbus, dbus->bytes, HEADER_SIZE, reterr) < 0)
		return -1;
	body = read_u32(dbus->bytes + 4);
	fields = read_u32(dbus->bytes + 12);
	if (dbus->bytes[0] != 'l' || dbus->bytes[3] != 1 || fields > MESSAGE_MOST || body > MESSAGE_MOST) {
		errno = EPROTO;
		return FAIL(reterr, "recv");
	}
	rest = aligned(fields, 8) + body;
	if (rest > sizeof(dbus->bytes) - HEADER_SIZE)
		return skip(dbus, rest, reterr);
	if (receive_bytes(dbus, dbus->bytes + HEADER_SIZE, rest, reterr) < 0)
		return -1;
	cursor.end = HEADER_SIZE + fields;
	while (cursor.at < cursor.end && !cursor.bad)
		take_field(&cursor, ret_message);
	if (cursor.bad) {
		errno = EPROTO;
		return FAIL(reterr, "recv");
	}
	ret_message->type = dbus->bytes[1];
	ret_message->body = HEADER_SIZE + aligned(fields, 8);
	ret_message->body_size = body;
	return 0;
}

bool dbus_texts(
	const struct dbus *dbus, const struct dbus_message *message, const char *pattern, const char **ret_texts)
{
	struct cursor cursor = {
		.bytes = dbus->bytes,
		.at = message->body,
		.end = message->body + message->body_size,
	};

	if (strncmp(message->signature, pattern, strlen(pattern)) != 0)
		return false;
	for (; *pattern != '\0' && !cursor.bad; pattern++) {
		if (*pattern == 'u')
			(void)take_u32(&cursor);
		else
			*ret_texts++ = take_text(&cursor);
	}
	return !cursor.bad;
}

static int send_call(struct dbus *dbus, struct dbus_call *call, struct failure *reterr)
{
	if (!dbus_end_call(call, ++dbus->serial)) {
		errno = E2BIG;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "message");
	}
	return send_parts(dbus, call->parts, call->count, reterr);
}

static int error_reply(const struct dbus *dbus, const struct dbus_message *reply, struct failure *reterr)
{
	const char *text = "";

	if (!dbus_texts(dbus, reply, "s", &text))
		text = "";
	errno = EREMOTEIO;
	(void)FAIL_AS(reterr, PROBLEM_SYSTEMD_ERROR, "systemd");
	failure_detail(reterr, reply->error, strlen(reply->error) + 1);
	failure_detail(reterr, text, strlen(text));
	return -1;
}

int dbus_call(struct dbus *dbus, struct dbus_call *call, struct dbus_message *ret_reply, struct failure *reterr)
{
	if (send_call(dbus, call, reterr) < 0)
		return -1;
	do
		if (dbus_receive(dbus, ret_reply, reterr) < 0)
			return -1;
	while ((ret_reply->type != DBUS_METHOD_RETURN && ret_reply->type != DBUS_ERROR) ||
		ret_reply->reply_serial != dbus->serial);
	return ret_reply->type == DBUS_ERROR ? error_reply(dbus, ret_reply, reterr) : 0;
}

bool dbus_is_error(const struct failure *failure, const char *name)
{
	size_t size = strlen(name) + 1;

	return failure->problem == PROBLEM_SYSTEMD_ERROR && failure->detail_length >= size &&
	       memcmp(failure->detail, name, size) == 0;
}
