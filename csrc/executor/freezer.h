/*
 * Freezing, killing and emptying all processes of a container. cgroup-v2.rst, "cgroup.freeze";
 * cgroup-v1/freezer-subsystem.rst.
 */
#ifndef TSRUN_FREEZER_H
#define TSRUN_FREEZER_H

#include "cleanup.h"
#include "context.h"

/*
 * The cgroup through which a container is frozen, killed and listed: that of cgroup2, which needs no
 * controller for it, or on a host without cgroup2 that of the v1 freezer.
 */
struct freezer {
	int fd;			 /* O_RDONLY directory */
	bool v1;		 /* freezer.state instead of cgroup.freeze, cgroup.kill and cgroup.events */
	const char *path;	 /* as the plan has it, with slots */
	const char *controllers; /* of its hierarchy, as in /proc/PID/cgroup; empty for cgroup2 */
};

/*
 * That of the container whose plan and state are loaded. fd is -1, and errno ENOENT, when the plan names none (the
 * container shares the runtime's cgroup) or when it is gone. 0, or -1 with *reterr. fd is the caller's to close.
 */
int freezer_open(const struct context *ctx, struct freezer *ret_freezer, struct failure *reterr);

/* Also true when it is an ancestor that is frozen. */
bool freezer_is_frozen(const struct freezer *freezer);

/*
 * Returns once the kernel says that every process in it and below has stopped (or goes on). Deadline passed:
 * problem FREEZER_STUCK, and the cgroup is as it was before.
 */
int freezer_set(const struct freezer *freezer, bool frozen, struct failure *reterr);

/* SIGKILLs everything in it and below, frozen or not. 0, or -1 with errno. */
int freezer_kill(const struct freezer *freezer);

/* Waits until nothing is left in it. Deadline passed: problem BUSY with the pids. */
int freezer_wait_empty(const struct freezer *freezer, struct failure *reterr);

/*
 * SIGKILL to the init of the container that is loaded. Where an AppArmor profile without a rule for signals keeps those
 * of root away (EACCES), all of its cgroup2 is killed: no LSM is asked about cgroup.kill. 0, or -1 with errno.
 */
int freezer_kill_init(const struct context *ctx);

static inline void freezer_close(struct freezer *freezer)
{
	if (freezer->fd >= 0)
		close_fd(&freezer->fd);
}

#define cleanup_freezer __attribute__((cleanup(freezer_close))) struct freezer

#endif
