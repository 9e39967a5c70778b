/*
 * The cgroups of a container: one of cgroup2, and one in each mounted hierarchy of cgroup v1. Their paths
 * below the mount, who they belong to, what is in them, and how all of it is frozen and killed.
 * cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
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
/* The op of the plan that makes, or takes over, a cgroup of the container: the first is index 0. NULL: no more. */
const struct op *cgroup_planned(const struct context *ctx, uint32_t index);

/* The cgroup of that op. fd, or -1 with errno. */
int cgroup_open_planned(const struct context *ctx, const struct op *op);

enum cgroup_mark cgroup_mark_of(const struct context *ctx, int fd);

/*
 * Whether delete may end what is in it: since the container ended another one may have been given the same path. With
 * --damaged, when it may never have been this container's, only what create marked or noted as made.
 */
bool cgroup_may_be_emptied(const struct context *ctx, int fd, uint32_t hierarchy);
void cgroup_mark_own(const struct context *ctx, int fd);
void cgroup_mark_shared(int fd);

/*
 * To be called before a missing directory is made: remembers how many there will be, itself and those
 * of rest, the path below it. Also in the state directory, for the delete after a create that was killed.
 */
void cgroup_will_make(struct context *ctx, uint32_t hierarchy, const char *rest);

/* Before the path is walked anew. */
void cgroup_forget_made(struct context *ctx, uint32_t hierarchy);

/* How many of the last components of the path create made or was about to make. */
uint32_t cgroup_made(const struct context *ctx, uint32_t hierarchy);

/* Where the descriptor of the container's cgroup in a hierarchy is. NULL with *reterr written: no such number. */
int *cgroup_fd_of(struct context *ctx, uint32_t hierarchy, struct failure *reterr);

/* Is the container's cgroup in this hierarchy open? False for a number that there is not. */
bool cgroup_is_held(const struct context *ctx, uint32_t hierarchy);

/* Is `key 1` in cgroup.events? False for the root cgroup and in cgroup v1, which have no such file. */
bool cgroup_event(int fd, const char *key);

/* Is a process in it or below? */
bool cgroup_is_populated(int fd);

/* Is the container's init in it or below? */
bool cgroup_holds_init(const struct context *ctx, int fd);

/* Adds the pids of the cgroup and those below it to the detail, one a line. */
void cgroup_detail_pids(int fd, struct failure *reterr);

/* Did the kernel kill a process of the container for memory? By the descriptors held, or else by the plan's paths. */
bool cgroup_was_oom_killed(const struct context *ctx);

/* Adds its memory limit and what was charged to the detail, one "FILE BYTES" a line. */
void cgroup_detail_memory(const struct context *ctx, struct failure *reterr);

/* Room for /proc/PID/cgroup. */
#define CGROUP_LINES_MAX (HIERARCHIES * PATH_MAX)

/*
 * The cgroup in the line "4:memory:/path" of /proc/PID/cgroup, cut out of the text: "path". That of cgroup2
 * ("0::/path") has no controllers. NULL: there is no such line.
 */
const char *cgroup_line(char *text, const char *controllers);

#endif
