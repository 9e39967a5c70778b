/* The processes of a cgroup and of those below it. cgroups(7), "cgroup.procs". */
#ifndef TSRUN_MEMBERS_H
#define TSRUN_MEMBERS_H

#include <sys/types.h>

/* 0 to go on; anything else ends the walk and is its result. */
typedef int (*member_visit)(pid_t pid, void *data);

/* Those of other pid namespaces, which have no number here, are left out. -1 with errno. */
int members_visit(int cgroup, member_visit visit, void *data);

#endif
