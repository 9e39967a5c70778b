/* Bytes that wait for a socket: see queue.h. */
#include "queue.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

bool queue_put(struct queue *queue, const void *bytes, size_t size)
{
	size_t end;
	size_t first;

	if (size > QUEUE_SIZE - queue->length)
		return false;
	if (queue->ring == NULL) {
		void *ring = mmap(NULL, QUEUE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (ring == MAP_FAILED)
			return false;
		queue->ring = ring;
		queue->at = 0;
	}
	end = (queue->at + queue->length) % QUEUE_SIZE;
	first = QUEUE_SIZE - end < size ? QUEUE_SIZE - end : size;
	memcpy(queue->ring + end, bytes, first);
	memcpy(queue->ring, (const char *)bytes + first, size - first);
	queue->length += size;
	return true;
}

long queue_send(struct queue *queue, int socket_fd)
{
	const size_t until_end = QUEUE_SIZE - queue->at;
	const size_t first = queue->length < until_end ? queue->length : until_end;
	struct iovec parts[2] = {
		{ queue->ring + queue->at, first },
		{ queue->ring, queue->length - first },
	};
	const struct msghdr message = { .msg_iov = parts, .msg_iovlen = queue->length > first ? 2 : 1 };
	ssize_t sent;

	if (queue->length == 0)
		return 0;
	sent = sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	queue->at = (queue->at + (size_t)sent) % QUEUE_SIZE;
	queue->length -= (size_t)sent;
	if (queue->length == 0)
		queue_free(queue);
	return sent;
}

void queue_free(struct queue *queue)
{
	if (queue->ring != NULL)
		(void)munmap(queue->ring, QUEUE_SIZE);
	*queue = (struct queue){ 0 };
}
