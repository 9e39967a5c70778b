/* Extended attributes of entries, by descriptor. */
#ifndef TSRUN_SNAPSHOT_XATTR_H
#define TSRUN_SNAPSHOT_XATTR_H

#include <stdbool.h>

#include "stream.h"

/* 0, or -1 with errno; ENOTSUP: this file system has none. */
int xattrs_set(int fd, const struct entry *entry);

/* Those that an entry can carry are removed; others (SELinux, overlayfs) stay. 0, or -1 with errno. */
int xattrs_clear(int fd);

/* Into entry->xattrs, sorted, those of overlayfs left out. 0, or -1 with errno; E2BIG: more than XATTRS_MAX. */
int xattrs_get(int fd, struct entry *entry);

/* From now on marks are those that overlayfs looks for in a user namespace. */
void xattrs_of_user_namespace(void);

int xattr_set_opaque(int fd);
bool xattr_is_opaque(int fd);

#endif
