/* Cgroups, their paths, owners and processes: see cgroup.h. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cleanup.h"
#include "io.h"
#include "members.h"
#include "sys.h"

#define MARK_NAME "trusted.tsrun" /* needs CAP_SYS_ADMIN over the host, which no container can bring */
#define MADE_NAME "cgroup"
#define MARK_MAX  (NAME_MAX + 64)

static int add_component(char *path, size_t *length, const char *name, size_t size)
{
	if (size == 0 || (size == 1 && name[0] == '.'))
		return 0;
	if (size == 2 && name[0] == '.' && name[1] == '.') {
		errno = EINVAL;
		return -1;
	}
	/* Normalising in place: the result is never ahead of what is still to be read. */
	if (*length > 0)
		path[(*length)++] = '/';
	memmove(path + *length, name, size);
	*length += size;
	return 0;
}

int cgroup_path(const struct context *ctx, const char *text, char *ret_path, struct failure *reterr)
{
	size_t length = 0;
	const char *at = ret_path;

	if (expand_slots(ctx, text, STATUS_CREATING, ret_path, PATH_MAX) < 0)
		return FAIL(reterr, "slots");
	for (;;) {
		size_t size = strcspn(at, "/");
		bool last = at[size] == '\0';

		if (add_component(ret_path, &length, at, size) < 0)
			return FAIL(reterr, "openat2");
		if (last)
			break;
		at += size + 1;
	}
	ret_path[length] = '\0';
	if (length > 0)
		return 0;
	errno = EINVAL;
	return FAIL(reterr, "openat2");
}

int cgroup_open(int fd, const char *path)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	return sys_openat2(fd, path, &how);
}

/* Whoever makes the cgroup of cgroup2, the fields are at the same places. */
_Static_assert(offsetof(struct op_cgroup_create, mount) == offsetof(struct op_cgroup_adopt, mount) &&
		       offsetof(struct op_cgroup_create, path) == offsetof(struct op_cgroup_adopt, path),
	"cgroup_open_planned()");

static bool is_planned(const struct op *op)
{
	return op->code == OP_CGROUP_CREATE || op->code == OP_CGROUP_ADOPT || op->code == OP_CGROUP_CREATE_V1;
}

int cgroup_open_planned(const struct context *ctx, const struct op *op)
{
	const struct op_cgroup_create *v2 = (const void *)op;
	const struct op_cgroup_create_v1 *v1 = (const void *)op;
	bool is_v1 = op->code == OP_CGROUP_CREATE_V1;
	struct failure ignored;
	char path[PATH_MAX];
	cleanup_fd int mount = -1;

	errno = EINVAL;
	if (cgroup_path(ctx, plan_str(&ctx->plan, is_v1 ? v1->path : v2->path), path, &ignored) < 0)
		return -1;
	mount = open(plan_str(&ctx->plan, is_v1 ? v1->mount : v2->mount), O_PATH | O_DIRECTORY | O_CLOEXEC);
	return mount < 0 ? -1 : cgroup_open(mount, path);
}

const struct op *cgroup_planned(const struct context *ctx, uint32_t index)
{
	static const enum plan_list LISTS[] = { LIST_SETUP, LIST_SETTLE };

	for (size_t list = 0; list < 2; list++) {
		for (uint32_t i = 0; i < plan_header(&ctx->plan)->lists[LISTS[list]].count; i++) {
			const struct op *op = plan_op(&ctx->plan, LISTS[list], i);

			if (is_planned(op) && index-- == 0)
				return op;
		}
	}
	return NULL;
}

/* Ids repeat in other roots, and a root may be spelled in many ways: its inode names it. */
static size_t own_mark(const struct context *ctx, char *ret_mark)
{
	struct stat root = { 0 };

	(void)fstat(ctx->root_fd, &root);
	return (size_t)snprintf(ret_mark, MARK_MAX, "%lx:%lx/%s", root.st_dev, root.st_ino, ctx->args->id);
}

enum cgroup_mark cgroup_mark_of(const struct context *ctx, int fd)
{
	char owner[MARK_MAX];
	char own[MARK_MAX];
	ssize_t length = fgetxattr(fd, MARK_NAME, owner, sizeof(owner));

	if (length < 0)
		return MARK_NONE;
	if (length == 0)
		return MARK_SHARED;
	if ((size_t)length == own_mark(ctx, own) && memcmp(owner, own, (size_t)length) == 0)
		return MARK_OWN;
	return MARK_OTHER;
}

bool cgroup_may_be_emptied(const struct context *ctx, int fd, uint32_t hierarchy)
{
	enum cgroup_mark mark = cgroup_mark_of(ctx, fd);

	if (mark == MARK_OTHER || !ctx->args->damaged)
		return mark != MARK_OTHER;
	return mark == MARK_OWN || cgroup_made(ctx, hierarchy) > 0;
}

void cgroup_mark_own(const struct context *ctx, int fd)
{
	char own[MARK_MAX];
	size_t length = own_mark(ctx, own);

	(void)fsetxattr(fd, MARK_NAME, own, length, 0);
}

void cgroup_mark_shared(int fd)
{
	(void)fsetxattr(fd, MARK_NAME, "", 0, 0);
}

/* "cgroup" in the state directory, "cgroup.3" for hierarchy 3. */
static const char *note_name(uint32_t hierarchy, char *name, size_t size)
{
	if (hierarchy == 0)
		return MADE_NAME;
	(void)snprintf(name, size, MADE_NAME ".%u", hierarchy);
	return name;
}

static uint32_t *made_of(struct context *ctx, uint32_t hierarchy)
{
	return hierarchy == 0 ? &ctx->cgroup_dirs_made : &ctx->v1_dirs_made[hierarchy];
}

void cgroup_forget_made(struct context *ctx, uint32_t hierarchy)
{
	*made_of(ctx, hierarchy) = 0;
}

void cgroup_will_make(struct context *ctx, uint32_t hierarchy, const char *rest)
{
	uint32_t *made = made_of(ctx, hierarchy);
	uint32_t count = *rest == '\0' ? 1 : 2;
	char number[16];
	char buffer[32];
	const char *name = note_name(hierarchy, buffer, sizeof(buffer));

	if (*made > 0)
		return;
	for (const char *at = rest; *at != '\0'; at++)
		count += *at == '/' ? 1 : 0;
	*made = count;
	/* A symbolic link: whole or not there, in one call. No fsync: cgroups do not outlast the system either. */
	(void)snprintf(number, sizeof(number), "%u", count);
	(void)unlinkat(ctx->state_fd, name, 0);
	if (symlinkat(number, ctx->state_fd, name) < 0)
		return; /* the marks and the runtime record still tell, but for a kill at the worst moment */
}

uint32_t cgroup_made(const struct context *ctx, uint32_t hierarchy)
{
	uint32_t made = hierarchy == 0 ? ctx->cgroup_dirs_made : 0;
	char number[16];
	char buffer[32];
	ssize_t length;

	if (hierarchy > 0 && hierarchy < HIERARCHIES)
		made = ctx->v1_dirs_made[hierarchy];
	if (made > 0)
		return made;
	length = readlinkat(ctx->state_fd, note_name(hierarchy, buffer, sizeof(buffer)), number, sizeof(number) - 1);
	if (length <= 0)
		return 0;
	number[length] = '\0';
	return (uint32_t)strtoul(number, NULL, 10);
}

int *cgroup_fd_of(struct context *ctx, uint32_t hierarchy, struct failure *reterr)
{
	if (hierarchy < HIERARCHIES)
		return hierarchy == 0 ? &ctx->cgroup_fd : &ctx->v1_fds[hierarchy];
	errno = ERANGE;
	(void)FAIL_AS(reterr, PROBLEM_BAD_PLAN, "hierarchy");
	return NULL;
}

bool cgroup_is_held(const struct context *ctx, uint32_t hierarchy)
{
	if (hierarchy == 0)
		return ctx->cgroup_fd >= 0;
	return hierarchy < HIERARCHIES && ctx->v1_fds[hierarchy] >= 0;
}

bool cgroup_event(int fd, const char *key)
{
	char events[256];
	const char *at;

	if (read_file_at(fd, "cgroup.events", events, sizeof(events)) <= 0)
		return false;
	at = strstr(events, key);
	return at != NULL && strncmp(at + strlen(key), " 1", 2) == 0;
}

static int stop_at_first(pid_t pid, void *arg)
{
	(void)pid;
	(void)arg;
	return 1;
}

bool cgroup_is_populated(int fd)
{
	char events[256];

	if (read_file_at(fd, "cgroup.events", events, sizeof(events)) > 0)
		return strstr(events, "populated 1") != NULL;
	return members_visit(fd, stop_at_first, NULL) > 0;
}

static int is_init(pid_t pid, void *init)
{
	return pid == *(const pid_t *)init ? 1 : 0;
}

bool cgroup_holds_init(const struct context *ctx, int fd)
{
	pid_t init = ctx->init_pid;

	return init > 0 && members_visit(fd, is_init, &init) > 0;
}

static int add_to_detail(pid_t pid, void *reterr)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d\n", pid);

	failure_detail(reterr, text, (size_t)length);
	return 0;
}

void cgroup_detail_pids(int fd, struct failure *reterr)
{
	(void)members_visit(fd, add_to_detail, reterr);
}

/* memory.events of cgroup2, memory.oom_control of v1 ("oom_kill_disable 0" comes before it). */
static bool has_oom_kill(int fd)
{
	static const char *const FILES[] = { "memory.events", "memory.oom_control" };
	char text[512];

	for (size_t i = 0; i < 2; i++) {
		const char *at = read_file_at(fd, FILES[i], text, sizeof(text)) > 0 ? strstr(text, "oom_kill ") : NULL;

		if (at != NULL && atoi(at + strlen("oom_kill ")) > 0)
			return true;
	}
	return false;
}

/* The cgroup in which it happened: a descriptor to be closed, or -1. */
static int open_oom_killed(const struct context *ctx)
{
	const struct op *op;

	for (uint32_t i = 0; i < HIERARCHIES; i++) {
		int fd = i == 0 ? ctx->cgroup_fd : ctx->v1_fds[i];

		if (fd >= 0 && has_oom_kill(fd))
			return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	for (uint32_t i = 0; (op = cgroup_planned(ctx, i)) != NULL; i++) {
		cleanup_fd int fd = cgroup_open_planned(ctx, op);

		if (fd >= 0 && has_oom_kill(fd))
			return steal_fd(&fd);
	}
	return -1;
}

bool cgroup_was_oom_killed(const struct context *ctx)
{
	cleanup_fd int fd = open_oom_killed(ctx);

	return fd >= 0;
}

/* memory.peak is there since Linux 5.19. */
void cgroup_detail_memory(const struct context *ctx, struct failure *reterr)
{
	static const char *const FILES[] = { "memory.max", "memory.peak", "memory.current", "memory.limit_in_bytes",
		"memory.max_usage_in_bytes" };
	cleanup_fd int fd = open_oom_killed(ctx);
	char value[32];
	char line[64];

	for (size_t i = 0; fd >= 0 && i < sizeof(FILES) / sizeof(FILES[0]); i++) {
		if (read_file_at(fd, FILES[i], value, sizeof(value)) <= 0)
			continue;
		value[strcspn(value, "\n")] = '\0';
		failure_detail(reterr, line, (size_t)snprintf(line, sizeof(line), "%s %s\n", FILES[i], value));
	}
}

const char *cgroup_line(char *text, const char *controllers)
{
	size_t size = strlen(controllers);

	for (char *line = text; *line != '\0'; line += strcspn(line, "\n")) {
		char *at;

		line += *line == '\n' ? 1 : 0;
		at = line + strcspn(line, ":\n");
		if (at[0] != ':' || strncmp(at + 1, controllers, size) != 0 || strncmp(at + 1 + size, ":/", 2) != 0)
			continue;
		at += size + 3;
		at[strcspn(at, "\n")] = '\0';
		return at;
	}
	return NULL;
}
