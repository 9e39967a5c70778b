/* Bytes that wait for a socket: a ring, which has its memory only while something waits. */
#ifndef TSRUN_MONITOR_QUEUE_H
#define TSRUN_MONITOR_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#define QUEUE_SIZE (1024 * 1024)

struct queue {
	char *ring;
	size_t at;
	size_t length;
};

/* Whole or not at all: false when it does not fit, or there is no memory. */
bool queue_put(struct queue *queue, const void *bytes, size_t size);

/* Writes what the socket takes. Bytes written; 0 with EAGAIN when it takes none; -1 when its reader is gone. */
long queue_send(struct queue *queue, int socket_fd);

void queue_free(struct queue *queue);

#endif
