/*
 * CGROUP_CREATE, CGROUP_WRITE, CGROUP_WRITE_EITHER, CGROUP_OPEN: the container's cgroup and its
 * limits. Documentation/admin-guide/cgroup-v2.rst.
 */
#include "../cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../cleanup.h"
#include "../io.h"
#include "../procfs.h"

#define TOKENS_MAX 512
/* A delete beside us may remove a parent, empty for that moment, between our two steps into it. */
#define RACE_TRIES 20

struct walk {
	struct context *ctx;
	const char *path; /* normalised */
	const char *controllers;
	const char *wanted;
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
		cgroup_will_make(walk->ctx, rest);
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

static int check_leaf(int fd, struct failure *reterr)
{
	char type[64];

	/* Also true below a frozen parent, where the container would stop before its first instruction. */
	if (cgroup_event(fd, "frozen")) {
		errno = EBUSY;
		return FAIL_AS(reterr, PROBLEM_BUSY, "cgroup.freeze");
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

static int check_unused(int fd, struct failure *reterr)
{
	if (!cgroup_event(fd, "populated"))
		return 0;
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
		if (enable(walk, fd, prefix, true, reterr) < 0 || enable(walk, fd, prefix, false, reterr) < 0)
			return -1;
		at += size + (at[size] == '/' ? 1 : 0);
		child = enter(walk, fd, name, at, reterr);
		if (child < 0)
			return -1;
		close_fd(&fd);
		fd = child;
	}
	return steal_fd(&fd);
}

int op_cgroup_create(struct context *ctx, const struct op_cgroup_create *op, struct failure *reterr)
{
	char path[PATH_MAX];
	struct walk walk = {
		.ctx = ctx,
		.path = path,
		.controllers = plan_str(&ctx->plan, op->controllers),
		.wanted = plan_str(&ctx->plan, op->wanted),
	};
	cleanup_fd int mount = -1;
	cleanup_fd int leaf = -1;

	if (cgroup_path(ctx, plan_str(&ctx->plan, op->path), path, reterr) < 0)
		return -1;
	mount = open(plan_str(&ctx->plan, op->mount), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0)
		return FAIL(reterr, "open");
	for (int i = 0; leaf < 0; i++) {
		ctx->cgroup_dirs_made = 0;
		leaf = make_path(&walk, mount, reterr);
		if (leaf < 0 && (i == RACE_TRIES || (reterr->error != ENOENT && reterr->error != ENODEV)))
			return -1;
	}
	if (check_leaf(leaf, reterr) < 0)
		return -1;
	if (walk.leaf_existed && check_unused(leaf, reterr) < 0)
		return -1;
	ctx->cgroup_fd = steal_fd(&leaf);
	return 0;
}

int cgroup_enter_path(struct context *ctx, int mount, const char *path, const char *controllers, struct failure *reterr)
{
	struct walk walk = { .ctx = ctx, .path = path, .controllers = controllers, .wanted = "" };

	return make_path(&walk, mount, reterr);
}

/* A file of the cgroup and no path: "../x" would be another cgroup's (GHSA-5g49-rx9x-qfc6). */
static int write_value(struct context *ctx, const char *file, const char *value)
{
	if (file[0] == '\0' || strchr(file, '/') != NULL || strcmp(file, ".") == 0 || strcmp(file, "..") == 0) {
		errno = EINVAL;
		return -1;
	}
	return write_file_at(ctx->cgroup_fd, file, value);
}

int op_cgroup_write(struct context *ctx, const struct op_cgroup_write *op, struct failure *reterr)
{
	if (write_value(ctx, plan_str(&ctx->plan, op->file), plan_str(&ctx->plan, op->value)) == 0)
		return 0;
	if (errno == ENOENT && (op->flags & WRITE_IGNORE_MISSING) != 0)
		return 0;
	return FAIL(reterr, "write");
}

int op_cgroup_write_either(struct context *ctx, const struct op_cgroup_write_either *op, struct failure *reterr)
{
	if (write_value(ctx, plan_str(&ctx->plan, op->file), plan_str(&ctx->plan, op->value)) == 0)
		return 0;
	if (errno != ENOENT)
		return FAIL(reterr, "write");
	if (write_value(ctx, plan_str(&ctx->plan, op->other_file), plan_str(&ctx->plan, op->other_value)) < 0)
		return FAIL(reterr, "write");
	return 0;
}

/* Init's pid as fdinfo of its pidfd tells it. 0 when it is dead. */
static pid_t pid_of(struct context *ctx, int pidfd)
{
	char path[48];
	char text[512];
	const char *at;
	cleanup_fd int fd = -1;
	ssize_t length;
	int pid;

	(void)snprintf(path, sizeof(path), "self/fdinfo/%d", pidfd);
	fd = procfs_openat(ctx->proc_fd, path, O_RDONLY);
	length = fd < 0 ? -1 : read_upto(fd, text, sizeof(text) - 1);
	if (length <= 0)
		return 0;
	text[length] = '\0';
	at = strstr(text, "\nPid:");
	pid = at == NULL ? 0 : atoi(at + strlen("\nPid:"));
	return pid > 0 ? pid : 0;
}

/* The line "0::/path" of init's cgroup file, which counts from the root of the mount. */
static int open_init_cgroup(struct context *ctx, int mount, struct failure *reterr)
{
	char path[48];
	char text[PATH_MAX + 256];
	cleanup_fd int fd = -1;
	ssize_t length;
	char *at;

	(void)snprintf(path, sizeof(path), "%d/cgroup", pid_of(ctx, ctx->target_pidfd));
	fd = procfs_openat(ctx->proc_fd, path, O_RDONLY);
	if (fd < 0)
		return FAIL(reterr, "openat2");
	length = read_upto(fd, text, sizeof(text) - 1);
	if (length <= 0)
		return FAIL(reterr, "read");
	text[length] = '\0';
	at = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
	if (at == NULL) {
		errno = ENOENT;
		return FAIL(reterr, "cgroup");
	}
	at = strchr(at, '/') + 1;
	at[strcspn(at, "\n")] = '\0';
	ctx->cgroup_fd = cgroup_open(mount, *at == '\0' ? "." : at);
	return ctx->cgroup_fd < 0 ? FAIL(reterr, "openat2") : 0;
}

int op_cgroup_open(struct context *ctx, const struct op_cgroup_open *op, struct failure *reterr)
{
	cleanup_fd int mount = -1;
	char path[PATH_MAX];
	char enabled[TOKENS_MAX];

	if (cgroup_path(ctx, plan_str(&ctx->plan, op->path), path, reterr) < 0)
		return -1;
	mount = open(plan_str(&ctx->plan, op->mount), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0)
		return FAIL(reterr, "open");
	ctx->cgroup_fd = cgroup_open(mount, path);
	if (ctx->cgroup_fd < 0 && errno != ENOENT)
		return FAIL(reterr, "openat2");
	/* A cgroup that passes controllers on takes no process (EBUSY): an init such as systemd moved itself below. */
	if (ctx->cgroup_fd >= 0 &&
		read_file_at(ctx->cgroup_fd, "cgroup.subtree_control", enabled, sizeof(enabled)) > 0 &&
		enabled[0] > ' ')
		close_fd(&ctx->cgroup_fd);
	return ctx->cgroup_fd >= 0 ? 0 : open_init_cgroup(ctx, mount, reterr);
}
