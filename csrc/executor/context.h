/*
 * What the handlers share: the plan being run, the descriptors held, and who this process is.
 *
 * create and exec, drawn (E: executor on the host side, S: stage, only when namespaces are joined,
 * I: container init; the order inside each column is the plan's, not this file's):
 *
 *   E setup …
 *   E spawn ──── STAGE ───▶ S  JOIN_NAMESPACE … CLONE ───▶ I (child of E by CLONE_PARENT)
 *     (or CLONE directly)   S ── SPAWNED{pid} ──▶ E         I AWAIT MAPPED
 *   E RECORD_INIT ID_MAPS RLIMIT … NOTIFY MAPPED ─────────▶ I mounts, devices …
 *   E AWAIT ROOTFS ◀──────────────────────── NOTIFY ROOTFS  I AWAIT HOOKED
 *   E prestart, createRuntime hooks, NOTIFY HOOKED ───────▶ I createContainer hooks, pivot_root …
 *   E AWAIT READY ◀────────────────────────── NOTIFY READY  I WAIT_START (create) or EXEC (exec)
 *   E PID_FILE, verdict
 *
 * A side that fails sends its record over the same socket; one that dies closes it. S shares its end with I, so E
 * watches its pidfd too.
 */
#ifndef TSRUN_CONTEXT_H
#define TSRUN_CONTEXT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "args.h"
#include "failure.h"
#include "plan.h"
#include "trace.h"

#define CONTEXT_SLOTS	  512
#define NO_SLOT		  0xffffffffu
#define HIERARCHIES	  16 /* cgroup2 is 0; more of v1 than the kernel has controllers and a named one or two */
#define MOVED_DEVICES_MAX 64 /* src/spec/rules/devices.ts refuses more */
#define HOME_MAX	  4096
#define LIVE_MAX	  256

enum role {
	ROLE_HOST,  /* E, and the verbs on a state directory */
	ROLE_STAGE, /* S */
	ROLE_INIT,  /* I */
};

/* A network device of the host's that is the container's now. */
struct moved_device {
	uint32_t index; /* there; 0: it has not left */
	bool up;	/* it was */
	char name[16];	/* here */
};

/* Every fd is -1 while it is not held; all are close-on-exec. */
struct context {
	const struct args *args;
	struct plan plan;
	struct trace *trace; /* shared with the other processes; NULL: not asked for, or no more times to be taken */
	enum role role;

	int root_fd;		 /* <root>, O_PATH */
	int state_fd;		 /* <root>/<id>, locked with flock(2) */
	int fifo_fd;		 /* O_PATH of exec.fifo */
	int cgroup_fd;		 /* the container's cgroup directory in cgroup2 */
	int v1_fds[HIERARCHIES]; /* those in hierarchies of cgroup v1 by number; 0 is not used */
	int console_fd;		 /* connected console socket */
	int sync_fd;		 /* this side's end of the sync socket */
	int peer_fd;		 /* the other end, until the clone */
	int proc_fd;		 /* root of the private procfs */
	int rootfs_fd;		 /* SafeRoot: every path below the rootfs is resolved in it */
	int mask_fd;		 /* the one read-only tmpfs that masks directories */
	int target_pidfd;	 /* exec: the container's init */
	int init_pidfd;
	int helper_pidfd;   /* the stage, or CRIU, while it makes what becomes init */
	int signal_fd;	    /* signalfd of those that ask to stop: while it is open, create gives up and undoes */
	int start_fd;	    /* exec.fifo, open for writing: from WAIT_START on failures go there */
	int rdt_mount_fd;   /* resctrl */
	int rdt_fd;	    /* the container's class of service */
	int rdt_monitor_fd; /* its monitoring group */
	int network_fd;	    /* init's network namespace, once a device was moved there */
	int monitor_fd;	    /* the monitor's lock */
	int slots[CONTEXT_SLOTS];
	struct listener_page *listener; /* shared with init, NULL without LISTENER_PAGE: see ops/listener.c */
	int self_fds;	    /* directory of this process' descriptors: to wait for start, to unmount by descriptor */
	int live[LIVE_MAX]; /* mounts attached with LIVE */
	uint32_t live_ids[LIVE_MAX]; /* on the host's side: their ids, in the order of the plan */
	uint32_t live_count;

	pid_t init_pid;
	pid_t target_pid;	   /* exec: the container's init */
	uint64_t init_start;	   /* of init_pid, clock ticks after boot: with the pid it names one process for ever */
	uint64_t created_ns;	   /* CLOCK_REALTIME at STATE_CREATE */
	uint64_t unshare_as_root;  /* CLONE_NEW* of CLONE that BECOME_ROOT makes */
	uint32_t cgroup_dirs_made; /* last directories of the path that create had to make, leaf included */
	uint32_t v1_dirs_made[HIERARCHIES]; /* the same in those of v1 */
	uint32_t phase;			    /* last phase the other side notified */
	uint32_t list;			    /* where run_list() is, for the record */
	uint32_t index;
	uint32_t deferred[8]; /* slots that JOIN_NAMESPACE tries again after the user namespace */
	uint32_t deferred_count;
	struct moved_device moved[MOVED_DEVICES_MAX];
	uint32_t moved_count;
	bool rdt_existed;   /* the class, or the group below it, was there before */
	bool root_made;	    /* <root> itself was missing */
	bool state_made;    /* STATE_CREATE succeeded: a failure must be undone */
	bool unit_started;  /* systemd was asked for the unit */
	bool console_ready; /* OPEN_CONSOLE made stdio the pty */
	bool signals_ready; /* signals are as the program gets them: a filter may forbid to change them later */
	bool file_written;  /* STATE_FILE replaced a file */
	bool in_cwd;	    /* the first CHDIR worked */
	bool warned;	    /* a warning was reported */

	char program[PATH_MAX];		       /* FIND_PROGRAM's answer */
	char home[sizeof("HOME=") + HOME_MAX]; /* "HOME=…", empty until HOME ran */
};

void context_init(struct context *ctx, const struct args *args);

/* A handler returns 0, -1 with *reterr written, or 1: this process is done with the list. */
typedef int (*op_handler)(struct context *ctx, const void *op, struct failure *reterr);

#define DECLARE_HANDLER(NAME, name) \
	int op_##name(struct context *ctx, const struct op_##name *op, struct failure *reterr);
FOR_EACH_OP(DECLARE_HANDLER)
#undef DECLARE_HANDLER

/* Runs a list op by op; on failure *reterr also says list, index and opcode. */
int run_list(struct context *ctx, enum plan_list list, struct failure *reterr);

/* Runs one op of a list. */
int run_list_op(struct context *ctx, enum plan_list list, uint32_t index, struct failure *reterr);

/* The same; a failure is reported as a warning. 0 or -1. */
int run_op_as_warning(struct context *ctx, enum plan_list list, uint32_t index);

/* A descriptor that ops of the plan hand on. NULL with *reterr written when there is no such slot. */
int *find_slot(struct context *ctx, uint32_t slot, struct failure *reterr);

/*
 * Reports something that is worth a line in the log but no failure (an ambient capability that
 * cannot be raised, a poststop hook that failed). In I it travels through E.
 */
void report_warning(struct context *ctx, const struct failure *warning);

/*
 * Replaces the slots of text (0x01 and a letter) by their values. Returns the length written to
 * buffer without NUL, or -1 when it does not fit. status: enum status_value.
 */
long expand_slots(const struct context *ctx, const char *text, uint32_t status, char *buffer, size_t size);

/* RFC 3339 with nanoseconds, UTC. */
void format_time(uint64_t ns, char *buffer, size_t size);
/* As the state document has it; "" for a number that is none. */
const char *status_name(uint32_t status);

/* The same into a mapping, which lasts as long as the process. The text, NUL-terminated, or NULL with *reterr written.
 */
const char *map_expanded(const struct context *ctx, const char *text, uint32_t status, struct failure *reterr);

#endif
