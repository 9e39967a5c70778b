/*
 * The state directory <root>/<id> as the verbs see it. Nothing in it says what the status is: that is
 * computed from the recorded pid and start time, the fifo and the freezer.
 */
#ifndef TSRUN_STATEDIR_H
#define TSRUN_STATEDIR_H

#include "context.h"

#define RUNTIME_MAGIC	"TSRRUN2"
#define FIFO_NAME	"exec.fifo"
#define FIFO_UNFINISHED ".exec.fifo"

/* What the container's process got as a descriptor; all zero for one that was closed. */
struct runtime_stdio {
	uint64_t mount_id;
	uint64_t ino;
	uint32_t mode; /* st_mode */
	uint32_t reserved;
};

/* The file "runtime": src/state/stdio.ts reads it too. */
struct runtime_record {
	char magic[8];
	uint64_t created_ns;
	uint64_t start_time; /* of init, field 22 of /proc/PID/stat */
	int32_t pid;	     /* 0: not spawned yet */
	uint32_t cgroup_dirs_made;
	uint32_t reserved[2];
	struct runtime_stdio stdio[3];
};

_Static_assert(sizeof(struct runtime_record) == 112 && __builtin_offsetof(struct runtime_record, stdio) == 40,
	"read by src/state/stdio.ts");

/* Opens <root>/<id> and loads plan and runtime record into ctx. lock: LOCK_EX, LOCK_SH or 0. */
int statedir_load(struct context *ctx, int lock, struct failure *reterr);

/* Opens <root> and <root>/<id> only. ENOENT: problem NOT_FOUND. */
int statedir_open(struct context *ctx, struct failure *reterr);
int statedir_lock(struct context *ctx, int operation, struct failure *reterr);

/* The file "runtime", out of ctx. */
int statedir_write_runtime(struct context *ctx, struct failure *reterr);

/* temp + fsync + rename + fsync of the directory. */
int statedir_write(
	struct context *ctx, const char *name, const void *bytes, size_t size, mode_t mode, struct failure *reterr);

/* The file "runtime" alone: for a container whose plan is damaged. */
int statedir_load_runtime(struct context *ctx, struct failure *reterr);

/* The last step of create: from here on start may come. */
int statedir_publish_fifo(struct context *ctx, struct failure *reterr);

/* Opens ctx->init_pidfd when init is alive. Needs ctx->proc_fd. */
bool statedir_init_is_alive(struct context *ctx);

/* Has it not come to its execve(2) yet? Needs ctx->proc_fd. */
bool statedir_init_is_executor(struct context *ctx);

/* Enum status_value. Opens ctx->init_pidfd when init is alive. */
int statedir_status(struct context *ctx, uint32_t *ret_status, struct failure *reterr);

#endif
