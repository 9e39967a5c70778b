/*
 * SafeRoot: the only way to touch a path below a rootfs (design rule 1). Paths are resolved by the
 * kernel with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS from the rootfs descriptor, and used by descriptor
 * afterwards, so a symlink swapped in between cannot lead outside (CVE-2021-30465, CVE-2024-45310).
 */
#ifndef TSRUN_SAFEROOT_H
#define TSRUN_SAFEROOT_H

#include <sys/types.h>

/* openat2 in the root, O_CLOEXEC added; EAGAIN (a rename raced with "..") is tried again. fd, or -1 with errno. */
int saferoot_open(int root_fd, const char *path, int flags);

/*
 * Opens (O_PATH) the directory that path names, making missing components with this mode.
 * Dangling symlinks on the way are completed inside the root. fd, or -1 with errno.
 */
int saferoot_mkdir(int root_fd, const char *path, mode_t mode);

/* Opens (O_PATH) the file at path, making missing parents (0755) and an empty file (O_EXCL, 0644). fd, or -1 with
 * errno. */
int saferoot_mkfile(int root_fd, const char *path);

/*
 * Opens (O_PATH) the directory that holds the last component, making missing parents, and points
 * *ret_name at that component inside path. EINVAL for ".", ".." and an empty name. fd, or -1 with errno.
 */
int saferoot_parent(int root_fd, const char *path, const char **ret_name);

/* The same, but nothing is made, and the last component may be anything: the caller opens it without following links.
 */
int saferoot_holder(int root_fd, const char *path, const char **ret_name);

#endif
