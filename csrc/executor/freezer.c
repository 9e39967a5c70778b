/* The freezer: see freezer.h. */
#include "freezer.h"

#include <errno.h>

#include "cgroup.h"
#include "io.h"

#define FREEZE_DEADLINE_MS 10000

int freezer_set(int cgroup, bool freeze, struct failure *reterr)
{
	if (write_file_at(cgroup, "cgroup.freeze", freeze ? "1" : "0") < 0)
		return FAIL(reterr, "cgroup.freeze");
	/* A process that is in the kernel stops only when it leaves it. */
	if (cgroup_wait_event(cgroup, "frozen", freeze, FREEZE_DEADLINE_MS) == 0)
		return 0;
	(void)FAIL_AS(reterr, PROBLEM_FREEZER_STUCK, "cgroup.freeze");
	if (freeze)
		(void)write_file_at(cgroup, "cgroup.freeze", "0");
	return -1;
}
