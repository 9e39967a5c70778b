/* Entries that wait for the disk: see ring.h. */
#include "ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* More than this goes back to the kernel when nothing waits any more. */
#define KEEP_SIZE (256 * 1024)
#define MOMENT_NS 10000000

struct head {
	struct timespec time;
	uint64_t lost;
	uint32_t length;
	uint8_t stream;
	bool partial;
};

_Static_assert(sizeof(struct head) == RING_HEAD, "what an entry takes is documented");

int ring_open(struct ring *ring, uint64_t limit)
{
	size_t least = RING_HEAD + ENTRY_MAX;

	*ring = (struct ring){ .lock = PTHREAD_MUTEX_INITIALIZER,
		.filled = PTHREAD_COND_INITIALIZER,
		.emptied = PTHREAD_COND_INITIALIZER };
	if (limit > SIZE_MAX / 2) {
		errno = EINVAL;
		return -1;
	}
	ring->limit = (size_t)limit;
	ring->capacity = ring->limit > least ? ring->limit : least;
	ring->bytes =
		mmap(NULL, ring->capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return ring->bytes == MAP_FAILED ? -1 : 0;
}

static void copy_in(struct ring *ring, const void *bytes, size_t size)
{
	const size_t end = (ring->at + ring->length) % ring->capacity;
	const size_t first = ring->capacity - end < size ? ring->capacity - end : size;

	memcpy(ring->bytes + end, bytes, first);
	memcpy(ring->bytes, (const char *)bytes + first, size - first);
	ring->length += size;
}

static void copy_out(struct ring *ring, void *ret_bytes, size_t size)
{
	const size_t first = ring->capacity - ring->at < size ? ring->capacity - ring->at : size;

	memcpy(ret_bytes, ring->bytes + ring->at, first);
	memcpy((char *)ret_bytes + first, ring->bytes, size - first);
	ring->at = (ring->at + size) % ring->capacity;
	ring->length -= size;
}

static bool is_full(const struct ring *ring, size_t size)
{
	return ring->length > 0 && ring->length + size > ring->limit;
}

/*
 * A writer that only has less of a processor than the program gets a moment to make room. One that the disk holds does
 * not get it a second time.
 */
static void give_moment(struct ring *ring, size_t size)
{
	struct timespec until = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += MOMENT_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	ring->wanted = size;
	while (is_full(ring, size) && !ring->held)
		ring->held = pthread_cond_timedwait(&ring->emptied, &ring->lock, &until) != 0;
	ring->wanted = 0;
}

void ring_put(struct ring *ring, const struct entry *entry)
{
	const size_t size = RING_HEAD + entry->length;
	struct head head = { .time = entry->time,
		.length = (uint32_t)entry->length,
		.stream = entry->stream,
		.partial = entry->partial };

	(void)pthread_mutex_lock(&ring->lock);
	if (is_full(ring, size) && !ring->held)
		give_moment(ring, size);
	if (is_full(ring, size)) {
		ring->lost++;
	} else {
		if (ring->length == 0)
			(void)pthread_cond_signal(&ring->filled);
		head.lost = ring->lost;
		ring->lost = 0;
		copy_in(ring, &head, sizeof(head));
		copy_in(ring, entry->text, entry->length);
		ring->count++;
		if (ring->length > ring->most)
			ring->most = ring->length;
	}
	(void)pthread_mutex_unlock(&ring->lock);
}

/* From the beginning again, so that a ring that is never full touches little of itself. */
static void rest(struct ring *ring)
{
	ring->at = 0;
	if (ring->most <= KEEP_SIZE)
		return;
	(void)madvise(ring->bytes, ring->capacity, MADV_DONTNEED);
	ring->most = 0;
}

bool ring_take(struct ring *ring, struct ring_entry *ret_entry, bool *ret_last)
{
	struct head head;

	(void)pthread_mutex_lock(&ring->lock);
	while (ring->length == 0 && !ring->closed)
		(void)pthread_cond_wait(&ring->filled, &ring->lock);
	if (ring->length == 0) {
		ret_entry->lost = ring->lost;
		(void)pthread_mutex_unlock(&ring->lock);
		return false;
	}
	copy_out(ring, &head, sizeof(head));
	copy_out(ring, ret_entry->text, head.length);
	*ret_last = ring->length == 0;
	ring->held = false;
	if (ring->wanted > 0 && (*ret_last || ring->length + ring->wanted <= ring->limit / 8 * 7))
		(void)pthread_cond_signal(&ring->emptied);
	if (*ret_last)
		rest(ring);
	(void)pthread_mutex_unlock(&ring->lock);
	ret_entry->entry = (struct entry){ ret_entry->text, head.length, head.time, head.stream, head.partial };
	ret_entry->lost = head.lost;
	return true;
}

void ring_written(struct ring *ring, uint64_t count)
{
	(void)pthread_mutex_lock(&ring->lock);
	ring->count -= count;
	(void)pthread_mutex_unlock(&ring->lock);
}

uint64_t ring_close(struct ring *ring)
{
	uint64_t waiting;

	(void)pthread_mutex_lock(&ring->lock);
	ring->closed = true;
	waiting = ring->count;
	(void)pthread_cond_signal(&ring->filled);
	(void)pthread_mutex_unlock(&ring->lock);
	return waiting;
}

void ring_free(struct ring *ring)
{
	if (ring->bytes != NULL)
		(void)munmap(ring->bytes, ring->capacity);
	ring->bytes = NULL;
}
