/*
 * The private procfs handle: the only way this process reads or writes /proc. Its mount is detached
 * and made by us, so nothing an image or a mount of the config puts over /proc is ever followed
 * (CVE-2019-19921, CVE-2025-52881).
 */
#ifndef TSRUN_PROCFS_H
#define TSRUN_PROCFS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "failure.h"

/*
 * A new procfs of this process' pid namespace. Where the kernel refuses one (a user namespace that
 * does not own the pid namespace) a clone of the current /proc, checked to be procfs's root.
 */
int procfs_open(int *ret_fd, struct failure *reterr);

/*
 * Leaves only the processes in the handle, nothing to write a sysctl with. It stays whole where the kernel refuses: in
 * a user namespace, once paths in /proc are masked.
 */
void procfs_narrow(int *proc_fd);

/* openat2 below the handle without following any symlink or crossing any mount. fd, or -1 with errno. */
int procfs_openat(int proc_fd, const char *path, int flags);

/* One value into one file. 0, or -1 with errno. */
int procfs_write(int proc_fd, const char *path, const char *value);

/* Reopens an O_PATH descriptor of this process with other flags (through self/fd). fd, or -1 with errno. */
int procfs_reopen(int proc_fd, int fd, int flags);

/* One of this process' own namespaces ("mnt"), for setns(2). fd, or -1 with errno. */
int procfs_open_namespace(int proc_fd, const char *name);

/* The same of another process. */
int procfs_open_namespace_of(int proc_fd, pid_t pid, const char *name);

/* What pid has for "/", O_PATH. fd, or -1 with errno. */
int procfs_open_root_of(int proc_fd, pid_t pid);

/* Start time of a process (field 22 of stat, clock ticks after boot). 0, or -1 with errno. */
int procfs_start_time(int proc_fd, pid_t pid, uint64_t *ret_start);

#endif
