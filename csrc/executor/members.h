/* The processes of a container: of its cgroup and of those below it. cgroups(7), "cgroup.procs". */
#ifndef TSRUN_MEMBERS_H
#define TSRUN_MEMBERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "context.h"

/* 0 to go on; anything else ends the walk and is its result. */
typedef int (*member_visit)(pid_t pid, void *data);

/* Those of other pid namespaces, which have no number here, are left out. -1 with errno. */
int members_visit(int cgroup, member_visit visit, void *data);

/*
 * The processes of the pid namespace of init, for a container without a cgroup; those of namespaces below it are left
 * out. -1 with errno.
 */
int members_of_namespace(const struct context *ctx, member_visit visit, void *data);

/* Of the container's own: not shared with others. */
bool has_own_pid_namespace(const struct context *ctx);

#endif
