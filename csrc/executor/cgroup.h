/*
 * One cgroup of a cgroup2 hierarchy: its path below the mount, who it belongs to, what is in it.
 * cgroups(7), Documentation/admin-guide/cgroup-v2.rst.
 */
#ifndef TSRUN_CGROUP_H
#define TSRUN_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "context.h"

/*
 * Whose a directory is stands in an extended attribute on it, because that survives every crash of
 * create and another container's create sees it. Root only; without it the count in the runtime
 * record must do.
 */
enum cgroup_mark {
	MARK_NONE,   /* not made by tsrun, or no right to mark */
	MARK_OWN,    /* this container's cgroup */
	MARK_SHARED, /* a parent that some create had to make */
	MARK_OTHER,  /* another container's cgroup */
};

/*
 * The path with its slots replaced, normalised: no "/" at either end, no empty and no "." component.
 * ".." and an empty path are EINVAL. ret_path has room for PATH_MAX bytes.
 */
int cgroup_path(const struct context *ctx, const char *text, char *ret_path, struct failure *reterr);

/* Opens a directory below fd, following no symlink. fd, or -1 with errno. */
int cgroup_open(int fd, const char *path);

/* Opens a path as CGROUP_CREATE does, enabling the controllers ("+cpu +memory") on the way. fd, or -1 with *reterr. */
int cgroup_enter_path(
	struct context *ctx, int mount, const char *path, const char *controllers, struct failure *reterr);

enum cgroup_mark cgroup_mark_of(const struct context *ctx, int fd);
void cgroup_mark_own(const struct context *ctx, int fd);
void cgroup_mark_shared(int fd);

/*
 * To be called before a missing directory is made: remembers how many there will be, itself and those
 * of rest, the path below it. Also in the state directory, for the delete after a create that was killed.
 */
void cgroup_will_make(struct context *ctx, const char *rest);

/* How many of the last components of the path create made or was about to make. */
uint32_t cgroup_made(const struct context *ctx);

/* Is `key 1` in cgroup.events? False for the root cgroup, which has no such file. */
bool cgroup_event(int fd, const char *key);

/* Waits until `key` in cgroup.events is as wanted, or the cgroup is gone. 0, or -1 (EBUSY) when the time has passed. */
int cgroup_wait_event(int fd, const char *key, bool wanted, int milliseconds);

/* Adds the pids of the cgroup and those below it to the detail, one a line. */
void cgroup_detail_pids(int fd, struct failure *reterr);

/* SIGKILLs everything in the cgroup and below. 0, or -1 with errno. */
int cgroup_kill(int fd);

/* Waits until nothing is left in it. Deadline passed: problem BUSY with the pids. */
int cgroup_wait_empty(int fd, struct failure *reterr);

#endif
