/*
 * Who talks to the monitor, over the socket in its directory. A client begins with eight bytes, the monitor answers
 * with the first of them; then:
 *
 *   'A' flags 0 0 0 0 0 0    attach: the container's output comes, framed or raw; what the client sends is stdin
 *   'W' 0 …                  wait: the exit record comes, then the end
 *   'R' 0 0 0 rows columns   u16 little endian: the terminal's size, for which the answer is 'R' and a byte: 0 or
 * errno. Any number of them, one after the other
 *
 *   'K' signal 0 …           kill the program, if it has not ended: answered and then closed
 *
 * A reader that is slow: with CLIENT_HOLD (who was there before the program started, a pipeline as a rule) the
 * container waits for it as for the reader of a pipe, but for STALL_MS at most in which it takes nothing; any other is
 * dropped when its queue is full.
 */
#ifndef TSRUN_MONITOR_CLIENT_H
#define TSRUN_MONITOR_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "entry.h"
#include "queue.h"

enum {
	CLIENT_STDIN = 1,
	CLIENT_STDOUT = 2,
	CLIENT_STDERR = 4,
	CLIENT_FRAMED = 8, /* docker's frames: stream, three zeros, u32 length, big endian */
	CLIENT_HOLD = 16,
};

#define CLIENT_HELLO 8
#define CLIENTS_MAX  64
#define QUEUE_HIGH   (256 * 1024)
#define STALL_MS     30000

struct client {
	int fd; /* -1: the place is free */
	uint8_t hello[CLIENT_HELLO];
	size_t greeted; /* bytes of it that have come */
	bool input_ended;
	bool gone;    /* reads no more; what it has sent may still be on its way */
	bool closing; /* when its queue is empty */
	struct queue queue;
	int64_t progress; /* milliseconds of CLOCK_MONOTONIC: when it last took something, or did not need to */
};

int64_t client_clock(void);

void client_init(struct client *client, int fd);
void client_drop(struct client *client);

static inline bool client_is(const struct client *client, char kind)
{
	return client->fd >= 0 && client->greeted == CLIENT_HELLO && client->hello[0] == (uint8_t)kind;
}

static inline bool client_has(const struct client *client, unsigned int flag)
{
	return client_is(client, 'A') && (client->hello[1] & flag) != 0;
}

/* Queued if the socket does not take it now; a client that cannot be told is dropped. */
void client_send(struct client *client, const void *bytes, size_t size);

/* Output of the container, if the client wants this stream. */
void client_output(struct client *client, enum stream stream, const char *bytes, size_t size);

/* Its queue, as far as the socket takes it. */
void client_flush(struct client *client);

/* The container has to wait for this one. One that has stalled is dropped. */
bool client_holds(struct client *client);

#endif
