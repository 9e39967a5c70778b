/*
 * The little of D-Bus that talking to systemd takes: a socket, authentication by the kernel's word, calls
 * (dbus_write.h), and a reader of replies and signals that trusts no length. D-Bus specification.
 */
#ifndef TSRUN_DBUS_H
#define TSRUN_DBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "dbus_write.h"
#include "failure.h"

#define DBUS_DEADLINE_MS 30000
#define DBUS_MESSAGE_MAX 16384 /* what is longer is nothing we wait for, and is read past */

struct dbus {
	int fd;
	int signal_fd; /* readable: give up (EINTR) */
	uint32_t serial;
	struct timespec until; /* CLOCK_MONOTONIC */
	uint8_t bytes[DBUS_MESSAGE_MAX];
};

/* Texts point into dbus.bytes, until the next message is read; "" where a field is missing. */
struct dbus_message {
	uint8_t type;
	uint32_t reply_serial;
	const char *member;
	const char *error;
	const char *signature;
	size_t body; /* offset and size in dbus.bytes */
	size_t body_size;
};

enum dbus_type {
	DBUS_SKIPPED = 0,
	DBUS_METHOD_RETURN = 2,
	DBUS_ERROR = 3,
	DBUS_SIGNAL = 4,
};

/* The time that everything up to the next dbus_begin() may take together. */
void dbus_begin(struct dbus *dbus, int signal_fd);

/* path: "@name" is an abstract socket. Connects and authenticates as whoever this process is. 0 or -1. */
int dbus_connect(struct dbus *dbus, const char *path, struct failure *reterr);

void dbus_close(struct dbus *dbus);

/*
 * Sends and waits for the reply. An error reply is -1 with problem SYSTEMD_ERROR, the detail its name, NUL, its text.
 */
int dbus_call(struct dbus *dbus, struct dbus_call *call, struct dbus_message *ret_reply, struct failure *reterr);

/* The next message, whatever it is. 0 or -1. */
int dbus_receive(struct dbus *dbus, struct dbus_message *ret_message, struct failure *reterr);

/*
 * Reads the texts of a body that begins with the types of pattern ("uoss"), as many as it has 's' and 'o'. False when
 * the body is another one.
 */
bool dbus_texts(
	const struct dbus *dbus, const struct dbus_message *message, const char *pattern, const char **ret_texts);

/* Is it that error reply? name: "org.freedesktop.systemd1.NoSuchUnit". */
bool dbus_is_error(const struct failure *failure, const char *name);

#endif
