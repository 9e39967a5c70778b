/* Extended attributes: see xattr.h. xattr(7); overlayfs marks a directory that hides those below it with one. */
#include "xattr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

/* trusted.* is for root of the machine; overlayfs with "userxattr" looks for the other. */
static const char *opaque = "trusted.overlay.opaque";

void xattrs_of_user_namespace(void)
{
	opaque = "user.overlay.opaque";
}

static const char *const CARRIED[] = { "user.", "security.capability", "system.posix_acl_" };
static const char *const OVERLAY[] = { "trusted.overlay.", "user.overlay." };

static bool starts_with(const char *name, const char *const *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

int xattrs_set(int fd, const struct entry *entry)
{
	const unsigned char *at = entry->xattrs;
	const unsigned char *end = at + entry->h.xattrs_length;
	char name[XATTR_NAME_MAX + 1];

	while (at < end) {
		struct xattr_header header;

		errno = EPROTO;
		if ((size_t)(end - at) < sizeof(header))
			return -1;
		memcpy(&header, at, sizeof(header));
		at += sizeof(header);
		if (header.name_length > XATTR_NAME_MAX || header.value_length > XATTRS_MAX ||
			(size_t)(end - at) < (size_t)header.name_length + header.value_length)
			return -1;
		memcpy(name, at, header.name_length);
		name[header.name_length] = '\0';
		at += header.name_length;
		if (fsetxattr(fd, name, at, header.value_length, 0) < 0)
			return -1;
		at += header.value_length;
	}
	return 0;
}

/* Names, each with its terminator, in *ret_names, to be freed. Length, or -1 with errno. */
static ssize_t list(int fd, char **ret_names)
{
	ssize_t length = flistxattr(fd, NULL, 0);

	*ret_names = NULL;
	if (length < 0)
		return errno == ENOTSUP ? 0 : -1;
	if (length == 0)
		return 0;
	*ret_names = malloc((size_t)length);
	if (*ret_names == NULL)
		return -1;
	return flistxattr(fd, *ret_names, (size_t)length);
}

int xattrs_clear(int fd)
{
	char *names;
	ssize_t length = list(fd, &names);
	int result = length < 0 ? -1 : 0;

	for (const char *name = names; result == 0 && name < names + length; name += strlen(name) + 1) {
		if (!starts_with(name, CARRIED, 3) || starts_with(name, OVERLAY, 2))
			continue;
		if (fremovexattr(fd, name) < 0 && errno != ENODATA)
			result = -1;
	}
	free(names);
	return result;
}

static int get_one(int fd, const char *name, struct entry *entry)
{
	struct xattr_header header = { .name_length = (uint32_t)strlen(name) };
	size_t used = entry->h.xattrs_length;
	size_t head = sizeof(header) + header.name_length;
	ssize_t length;

	if (used + head >= XATTRS_MAX) {
		errno = E2BIG;
		return -1;
	}
	length = fgetxattr(fd, name, entry->xattrs + used + head, XATTRS_MAX - used - head);
	if (length < 0)
		return -1;
	header.value_length = (uint32_t)length;
	memcpy(entry->xattrs + used, &header, sizeof(header));
	memcpy(entry->xattrs + used + sizeof(header), name, header.name_length);
	entry->h.xattrs_length += (uint32_t)(head + (size_t)length);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int xattrs_get(int fd, struct entry *entry)
{
	const char *sorted[1024];
	size_t count = 0;
	char *names;
	ssize_t length = list(fd, &names);
	int result = length < 0 ? -1 : 0;

	entry->h.xattrs_length = 0;
	for (const char *name = names; result == 0 && name < names + length; name += strlen(name) + 1)
		if (!starts_with(name, OVERLAY, 2) && count < sizeof(sorted) / sizeof(sorted[0]))
			sorted[count++] = name;
	qsort(sorted, count, sizeof(sorted[0]), compare);
	for (size_t i = 0; result == 0 && i < count; i++)
		result = get_one(fd, sorted[i], entry);
	free(names);
	return result;
}

int xattr_set_opaque(int fd)
{
	return fsetxattr(fd, opaque, "y", 1, 0);
}

bool xattr_is_opaque(int fd)
{
	char value[2];

	return fgetxattr(fd, opaque, value, sizeof(value)) == 1 && value[0] == 'y';
}
