/*
 * CGROUP_CREATE and CGROUP_CREATE_V1: the directories of the container's cgroups.
 * Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cgroups.rst and cgroup-v1/cpusets.rst.
 */
#include "../cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../io.h"

#define TOKENS_MAX 512
/* A delete beside us may remove a parent, empty for that moment, between our two steps into it. */
#define RACE_TRIES 20

struct walk {
	struct context *ctx;
	const char *path; /* normalised */
	uint32_t hierarchy;
	const char *controllers; /* cgroup2: to be enabled on the way down */
	const char *wanted;
	bool inherit_cpuset;
	bool adopt; /* systemd may have made the leaf, and put init into it */
	bool leaf_existed;
};

/* Is the controller of "+name" in the text of cgroup.subtree_control? */
static bool is_enabled(const char *enabled, const char *token, size_t size)
{
	const char *name = token + 1;

	for (const char *at = enabled; *at != '\0'; at += strspn(at, " \n")) {
		size_t length = strcspn(at, " \n");

		if (length == size - 1 && memcmp(at, name, length) == 0)
			return true;
		at += length;
	}
	return false;
}

/* Writing what is on already would still take the kernel's one cgroup lock: leave that out. */
static int missing_tokens(const char *enabled, const char *tokens, char *ret_missing)
{
	size_t length = 0;

	for (const char *at = tokens; *at != '\0'; at += strspn(at, " ")) {
		size_t size = strcspn(at, " ");

		if (length + size + 2 > TOKENS_MAX) {
			errno = E2BIG;
			return -1;
		}
		if (size > 1 && !is_enabled(enabled, at, size)) {
			memcpy(ret_missing + length, at, size);
			length += size;
			ret_missing[length++] = ' ';
		}
		at += size;
	}
	ret_missing[length] = '\0';
	return 0;
}

/* The detail: the cgroup's path below the mount, NUL, the controller. */
static int refused(const struct walk *walk, size_t prefix, const char *token, struct failure *reterr)
{
	(void)FAIL(reterr, "cgroup.subtree_control");
	failure_detail(reterr, "/", 1);
	failure_detail(reterr, walk->path, prefix);
	failure_detail(reterr, "", 1);
	failure_detail(reterr, token, strlen(token));
	return -1;
}

/* One by one, so that one refused controller neither hides the others nor goes unnamed. */
static int enable_each(
	const struct walk *walk, int fd, size_t prefix, char *tokens, bool required, struct failure *reterr)
{
	for (char *token = tokens; *token != '\0';) {
		char *end = token + strcspn(token, " ");

		*end = '\0';
		if (write_file_at(fd, "cgroup.subtree_control", token) < 0 && required)
			return refused(walk, prefix, token + 1, reterr);
		token = end + 1;
	}
	return 0;
}

static int enable(const struct walk *walk, int fd, size_t prefix, bool required, struct failure *reterr)
{
	char enabled[TOKENS_MAX];
	char missing[TOKENS_MAX];

	if (read_file_at(fd, "cgroup.subtree_control", enabled, sizeof(enabled)) < 0)
		return refused(walk, prefix, "", reterr);
	if (missing_tokens(enabled, required ? walk->controllers : walk->wanted, missing) < 0)
		return refused(walk, prefix, "", reterr);
	if (missing[0] == '\0' || write_file_at(fd, "cgroup.subtree_control", missing) == 0)
		return 0;
	return enable_each(walk, fd, prefix, missing, required, reterr);
}

/* Opens the next directory of the path, making it if need be. fd, or -1. */
static int enter(struct walk *walk, int parent, const char *name, const char *rest, struct failure *reterr)
{
	bool leaf = *rest == '\0';
	int fd = cgroup_open(parent, name);
	bool made = fd < 0 && errno == ENOENT;

	if (made) {
		cgroup_will_make(walk->ctx, walk->hierarchy, rest);
		if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
			return FAIL(reterr, "mkdirat");
		fd = cgroup_open(parent, name);
	}
	if (fd < 0)
		return FAIL(reterr, "openat2");
	if (made && !leaf)
		cgroup_mark_shared(fd);
	/* One that another container's create made is taken over, and with it the duty to remove it. */
	if (leaf && (made || cgroup_mark_of(walk->ctx, fd) == MARK_OTHER))
		cgroup_mark_own(walk->ctx, fd);
	walk->leaf_existed = leaf && !made;
	return fd;
}

/* v1: without CPUs and memory nodes nothing can join. Those of the parent, which has some: the root has all. */
static int inherit_cpuset(int parent, int fd, struct failure *reterr)
{
	static const char *const FILES[] = { "cpuset.cpus", "cpuset.mems" };
	char list[4096];

	for (size_t i = 0; i < 2; i++) {
		if (read_file_at(fd, FILES[i], list, sizeof(list)) < 0)
			return FAIL(reterr, FILES[i]);
		if (list[0] > ' ')
			continue;
		if (read_file_at(parent, FILES[i], list, sizeof(list)) < 0 || write_file_at(fd, FILES[i], list) < 0)
			return FAIL(reterr, FILES[i]);
	}
	return 0;
}

/* What a directory of the path must be given before the walk goes on below it, or ends in it. */
static int prepare(const struct walk *walk, int fd, size_t prefix, struct failure *reterr)
{
	if (walk->controllers == NULL)
		return 0;
	if (enable(walk, fd, prefix, true, reterr) < 0)
		return -1;
	return enable(walk, fd, prefix, false, reterr);
}

static int check_leaf(int fd, struct failure *reterr)
{
	char type[64];

	/* Also true below a frozen parent, where the container would stop before its first instruction. */
	if (cgroup_event(fd, "frozen")) {
		errno = EBUSY;
		return FAIL_AS(reterr, PROBLEM_BUSY, "cgroup.freeze");
	}
	if (read_file_at(fd, "freezer.state", type, sizeof(type)) > 0 && strcmp(type, "THAWED\n") != 0) {
		errno = EBUSY;
		return FAIL_AS(reterr, PROBLEM_BUSY, "freezer.state");
	}
	/* Below a threaded cgroup a new one is "domain invalid" and takes no process. */
	if (read_file_at(fd, "cgroup.type", type, sizeof(type)) <= 0 || strcmp(type, "domain\n") == 0 ||
		strcmp(type, "domain threaded\n") == 0)
		return 0;
	errno = EOPNOTSUPP;
	(void)FAIL(reterr, "cgroup.type");
	failure_detail(reterr, type, strcspn(type, "\n"));
	return -1;
}

static int check_unused(const struct walk *walk, int fd, struct failure *reterr)
{
	if (!cgroup_is_populated(fd))
		return 0;
	if (walk->adopt && cgroup_holds_init(walk->ctx, fd)) {
		cgroup_mark_own(walk->ctx, fd);
		return 0;
	}
	errno = EBUSY;
	(void)FAIL_AS(reterr, PROBLEM_BUSY, "cgroup.procs");
	cgroup_detail_pids(fd, reterr);
	return -1;
}

/* From the mount down to the leaf; a child has only the controllers that its parent passes on. */
static int make_path(struct walk *walk, int mount, struct failure *reterr)
{
	cleanup_fd int fd = fcntl(mount, F_DUPFD_CLOEXEC, 3);
	char name[NAME_MAX + 1];
	const char *at = walk->path;

	while (*at != '\0') {
		size_t size = strcspn(at, "/");
		size_t prefix = at == walk->path ? 0 : (size_t)(at - walk->path) - 1;
		int child;

		if (size > NAME_MAX) {
			errno = ENAMETOOLONG;
			return FAIL(reterr, "mkdirat");
		}
		memcpy(name, at, size);
		name[size] = '\0';
		if (prepare(walk, fd, prefix, reterr) < 0)
			return -1;
		at += size + (at[size] == '/' ? 1 : 0);
		child = enter(walk, fd, name, at, reterr);
		if (child < 0)
			return -1;
		if (walk->inherit_cpuset && inherit_cpuset(fd, child, reterr) < 0) {
			close(child);
			return -1;
		}
		close_fd(&fd);
		fd = child;
	}
	return steal_fd(&fd);
}

/* The leaf, opened; the path in walk is replaced by its normal form. */
static int make(struct walk *walk, plan_str_t mount_point, plan_str_t text, struct failure *reterr)
{
	struct context *ctx = walk->ctx;
	char path[PATH_MAX];
	cleanup_fd int mount = -1;
	cleanup_fd int leaf = -1;

	if (cgroup_path(ctx, plan_str(&ctx->plan, text), path, reterr) < 0)
		return -1;
	walk->path = path;
	mount = open(plan_str(&ctx->plan, mount_point), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0)
		return FAIL(reterr, "open");
	for (int i = 0; leaf < 0; i++) {
		cgroup_forget_made(ctx, walk->hierarchy);
		leaf = make_path(walk, mount, reterr);
		if (leaf < 0 && (i == RACE_TRIES || (reterr->error != ENOENT && reterr->error != ENODEV)))
			return -1;
	}
	walk->path = NULL;
	if (check_leaf(leaf, reterr) < 0)
		return -1;
	if (walk->leaf_existed && check_unused(walk, leaf, reterr) < 0)
		return -1;
	return steal_fd(&leaf);
}

int cgroup_enter_path(struct context *ctx, int mount, const char *path, const char *controllers, struct failure *reterr)
{
	struct walk walk = { .ctx = ctx, .path = path, .controllers = controllers, .wanted = "" };

	return make_path(&walk, mount, reterr);
}

int op_cgroup_create(struct context *ctx, const struct op_cgroup_create *op, struct failure *reterr)
{
	struct walk walk = {
		.ctx = ctx,
		.controllers = plan_str(&ctx->plan, op->controllers),
		.wanted = plan_str(&ctx->plan, op->wanted),
	};

	ctx->cgroup_fd = make(&walk, op->mount, op->path, reterr);
	return ctx->cgroup_fd < 0 ? -1 : 0;
}

int op_cgroup_create_v1(struct context *ctx, const struct op_cgroup_create_v1 *op, struct failure *reterr)
{
	int *fd = cgroup_fd_of(ctx, op->hierarchy, reterr);
	struct walk walk = {
		.ctx = ctx,
		.hierarchy = op->hierarchy,
		.inherit_cpuset = (op->flags & CGROUP_INHERIT_CPUSET) != 0,
		.adopt = (op->flags & CGROUP_ADOPT) != 0,
	};

	if (fd == NULL)
		return -1;
	*fd = make(&walk, op->mount, op->path, reterr);
	return *fd < 0 ? -1 : 0;
}
