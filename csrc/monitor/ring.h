/*
 * Entries that wait for the thread that writes the log, with mode=non-blocking: what does not fit is dropped, the
 * newest that is, as dockerd has it, and counted. Its memory is touched only as far as something waits.
 */
#ifndef TSRUN_MONITOR_RING_H
#define TSRUN_MONITOR_RING_H

#include <pthread.h>

#include "entry.h"

struct ring {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	pthread_cond_t emptied;
	char *bytes;
	size_t capacity;
	size_t limit; /* bytes that may wait, with RING_HEAD for each entry; one entry alone always may */
	size_t at;
	size_t length;
	size_t most;	/* that waited since its memory was given back */
	uint64_t count; /* entries that are not written yet, in it or taken */
	uint64_t lost;
	size_t wanted; /* bytes that are waited for, or 0 */
	bool held;     /* nothing was taken since somebody waited in vain */
	bool closed;
};

struct ring_entry {
	struct entry entry;
	uint64_t lost; /* entries that were dropped just before this one */
	char text[ENTRY_MAX];
};

/* What an entry takes beside its text. */
#define RING_HEAD 32

/* limit: bytes. 0 or -1 with errno. */
int ring_open(struct ring *ring, uint64_t limit);

/* Waits for ten milliseconds at most, and once for as long as the disk holds the thread. */
void ring_put(struct ring *ring, const struct entry *entry);

/*
 * Waits for the oldest entry. False: closed and empty; then ret_entry->lost has what was dropped last. ret_last:
 * nothing waits behind it.
 */
bool ring_take(struct ring *ring, struct ring_entry *ret_entry, bool *ret_last);

/* So many of those that were taken are written. */
void ring_written(struct ring *ring, uint64_t count);

/* What waits can still be taken. Entries that are not written yet. */
uint64_t ring_close(struct ring *ring);

/* When nobody takes any more. */
void ring_free(struct ring *ring);

#endif
