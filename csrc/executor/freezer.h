/* Stopping and continuing all processes of a cgroup. cgroup-v2.rst, "cgroup.freeze". */
#ifndef TSRUN_FREEZER_H
#define TSRUN_FREEZER_H

#include <stdbool.h>

#include "failure.h"

/*
 * Returns once the kernel says that every process in the cgroup and below has stopped (or goes on). Deadline
 * passed: problem FREEZER_STUCK, and the cgroup is as it was before.
 */
int freezer_set(int cgroup, bool freeze, struct failure *reterr);

#endif
