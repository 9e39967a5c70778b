/* Entries for journald: see journal.h. */
#include "journal.h"

#include <endian.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "unixsocket.h"

int journal_open(const char *path)
{
	return unix_connect(SOCK_DGRAM, path, -1);
}

static struct iovec part(const void *bytes, size_t size)
{
	return (struct iovec){ (void *)(uintptr_t)bytes, size };
}

void journal_send(int socket_fd, const struct entry *entry, const char *fields)
{
	const uint64_t length = htole64(entry->length);
	const char *priority = entry->stream == STREAM_STDERR ? "PRIORITY=3\n" : "PRIORITY=6\n";
	const char *partial = entry->partial ? "CONTAINER_PARTIAL_MESSAGE=true\n" : "";
	struct iovec parts[] = {
		part(priority, strlen(priority)),
		part(partial, strlen(partial)),
		part(fields == NULL ? "" : fields, fields == NULL ? 0 : strlen(fields)),
		part("MESSAGE\n", strlen("MESSAGE\n")),
		part(&length, sizeof(length)), /* the form for values of any bytes */
		part(entry->text, entry->length),
		part("\n", 1),
	};
	const struct msghdr message = { .msg_iov = parts, .msg_iovlen = sizeof(parts) / sizeof(parts[0]) };

	(void)sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}
