/*
 * RDT_GROUP … RDT_REMOVE: the container's class of service and monitoring group in resctrl.
 * Documentation/filesystems/resctrl.rst; runtime-spec, config-linux "IntelRdt".
 *
 * A group is removed only by the container that made it. That is noted in the state directory before the directory is
 * made, so that a create that is killed in between leaves a note too many, never a group nobody removes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cleanup.h"
#include "../io.h"
#include "../statedir.h"

#define SCHEMATA_SIZE 16384
#define GROUP_NOTE    "rdt-group"
#define MONITOR_NOTE  "rdt-monitor"

static int open_directory(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int open_mount(struct context *ctx, plan_str_t mount, struct failure *reterr)
{
	int fd = open(plan_str(&ctx->plan, mount), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? FAIL(reterr, "open") : fd;
}

static int expand_name(const struct context *ctx, plan_str_t text, char name[NAME_MAX + 1], struct failure *reterr)
{
	if (expand_slots(ctx, plan_str(&ctx->plan, text), STATUS_CREATING, name, NAME_MAX + 1) < 0)
		return FAIL(reterr, "mkdirat");
	if (strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "mkdirat");
	}
	return 0;
}

/* What the kernel says about the last thing it refused: one line. */
static void add_status(struct context *ctx, struct failure *reterr)
{
	char text[512];

	if (ctx->rdt_mount_fd >= 0 && read_file_at(ctx->rdt_mount_fd, "info/last_cmd_status", text, sizeof(text)) > 0 &&
		strcmp(text, "ok\n") != 0)
		failure_detail(reterr, text, strcspn(text, "\n"));
}

/* The directory, made with its note when it is missing and may be. fd, or -1. */
static int open_or_make(
	struct context *ctx, int parent, const char *name, const char *note, bool may_make, struct failure *reterr)
{
	int fd = open_directory(parent, name);
	bool made;

	if (fd >= 0 || errno != ENOENT || !may_make)
		return fd < 0 ? FAIL(reterr, "open") : fd;
	if (statedir_write(ctx, note, "", 0, 0600, reterr) < 0)
		return -1;
	made = mkdirat(parent, name, 0755) == 0;
	if (!made) {
		(void)FAIL(reterr, "mkdirat");
		add_status(ctx, reterr);
		(void)unlinkat(ctx->state_fd, note, 0);
		/* Somebody else was faster: then it is theirs. */
		if (reterr->error != EEXIST)
			return -1;
	}
	ctx->rdt_existed = ctx->rdt_existed && !made;
	fd = open_directory(parent, name);
	return fd < 0 ? FAIL(reterr, "open") : fd;
}

int op_rdt_group(struct context *ctx, const struct op_rdt_group *op, struct failure *reterr)
{
	char name[NAME_MAX + 1];

	if (expand_name(ctx, op->group, name, reterr) < 0)
		return -1;
	ctx->rdt_mount_fd = open_mount(ctx, op->mount, reterr);
	if (ctx->rdt_mount_fd < 0)
		return -1;
	ctx->rdt_existed = true;
	ctx->rdt_fd = open_or_make(ctx, ctx->rdt_mount_fd, name[0] == '\0' ? "." : name, GROUP_NOTE,
		(op->flags & RDT_MUST_EXIST) == 0, reterr);
	return ctx->rdt_fd < 0 ? -1 : 0;
}

int op_rdt_monitor(struct context *ctx, const struct op_rdt_monitor *op, struct failure *reterr)
{
	cleanup_fd int groups = -1;
	char name[NAME_MAX + 1];

	if (expand_name(ctx, op->name, name, reterr) < 0)
		return -1;
	groups = open_directory(ctx->rdt_fd, "mon_groups");
	if (groups < 0)
		return FAIL(reterr, "open");
	ctx->rdt_monitor_fd = open_or_make(ctx, groups, name, MONITOR_NOTE, (op->flags & RDT_MUST_EXIST) == 0, reterr);
	return ctx->rdt_monitor_fd < 0 ? -1 : 0;
}

/* A piece of text that is not terminated. */
struct span {
	const char *at;
	size_t length;
};

static struct span trim(const char *at, size_t length)
{
	while (length > 0 && (*at == ' ' || *at == '\t'))
		at++, length--;
	while (length > 0 && strchr(" \t\r\n", at[length - 1]) != NULL)
		length--;
	return (struct span){ at, length };
}

static bool same_text(struct span one, struct span other)
{
	return one.length == other.length && memcmp(one.at, other.at, one.length) == 0;
}

/* Cuts *rest at the separator and returns what was before it. */
static struct span take(struct span *rest, char separator)
{
	const char *end = memchr(rest->at, separator, rest->length);
	size_t length = end == NULL ? rest->length : (size_t)(end - rest->at);
	struct span piece = trim(rest->at, length);
	size_t skip = end == NULL ? length : length + 1;

	rest->at += skip;
	rest->length -= skip;
	return piece;
}

static bool read_number(struct span text, int base, unsigned long long *ret_number)
{
	char copy[32];
	char *end;

	if (text.length == 0 || text.length >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.length);
	copy[text.length] = '\0';
	*ret_number = strtoull(copy, &end, base);
	return *end == '\0';
}

/* Masks (L2, L3) are hexadecimal, the kernel writes them with leading zeros; bandwidths are decimal. */
static bool same_value(struct span one, struct span other, bool mask)
{
	unsigned long long a;
	unsigned long long b;

	if (read_number(one, mask ? 16 : 10, &a) && read_number(other, mask ? 16 : 10, &b))
		return a == b;
	return same_text(one, other);
}

/* The value of a domain ("0") of a resource ("L3") in the text of a schemata file. */
static bool find_value(struct span text, struct span resource, struct span domain, struct span *ret_value)
{
	while (text.length > 0) {
		struct span line = take(&text, '\n');
		bool found = same_text(take(&line, ':'), resource);

		while (found && line.length > 0) {
			struct span entry = take(&line, ';');
			struct span name = take(&entry, '=');

			if (!same_text(name, domain))
				continue;
			*ret_value = trim(entry.at, entry.length);
			return true;
		}
	}
	return false;
}

static int compare_line(struct span line, struct span text, struct failure *reterr)
{
	struct span whole = line;
	struct span resource = take(&line, ':');
	bool mask = resource.length > 0 && resource.at[0] == 'L';

	while (line.length > 0) {
		struct span entry = take(&line, ';');
		struct span domain = take(&entry, '=');
		struct span value;

		if (entry.length + domain.length == 0)
			continue;
		if (find_value(text, resource, domain, &value) && same_value(trim(entry.at, entry.length), value, mask))
			continue;
		errno = EINVAL;
		(void)FAIL_AS(reterr, PROBLEM_RDT_DIFFERS, "schemata");
		failure_detail(reterr, whole.at, whole.length);
		return -1;
	}
	return 0;
}

static int compare(const struct context *ctx, const char *wanted, struct failure *reterr)
{
	static char text[SCHEMATA_SIZE];
	ssize_t length = read_file_at(ctx->rdt_fd, "schemata", text, sizeof(text));
	struct span rest = { wanted, strlen(wanted) };

	if (length < 0)
		return FAIL(reterr, "read");
	while (rest.length > 0) {
		struct span line = take(&rest, '\n');

		if (compare_line(line, (struct span){ text, (size_t)length }, reterr) < 0)
			return -1;
	}
	return 0;
}

int op_rdt_schemata(struct context *ctx, const struct op_rdt_schemata *op, struct failure *reterr)
{
	const char *lines = plan_str(&ctx->plan, op->lines.offset);

	for (uint32_t i = 0; i < op->lines.count; i++, lines = plan_next(lines)) {
		if (ctx->rdt_existed && (op->flags & RDT_REPLACE) == 0) {
			if (compare(ctx, lines, reterr) < 0)
				return -1;
		} else if (write_file_at(ctx->rdt_fd, "schemata", lines) < 0) {
			(void)FAIL(reterr, "write");
			add_status(ctx, reterr);
			return -1;
		}
	}
	return 0;
}

int op_rdt_join(struct context *ctx, const struct op_rdt_join *op, struct failure *reterr)
{
	char pid[16];

	(void)op;
	(void)snprintf(pid, sizeof(pid), "%d", ctx->init_pid);
	/* In this order: a monitoring group takes only tasks of its own class. */
	if (write_file_at(ctx->rdt_fd, "tasks", pid) < 0 ||
		(ctx->rdt_monitor_fd >= 0 && write_file_at(ctx->rdt_monitor_fd, "tasks", pid) < 0)) {
		(void)FAIL(reterr, "write");
		add_status(ctx, reterr);
		return -1;
	}
	return 0;
}

static bool is_noted(const struct context *ctx, const char *note)
{
	return faccessat(ctx->state_fd, note, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int remove_group(int parent, const char *name, struct failure *reterr)
{
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? FAIL(reterr, "rmdir") : 0;
}

/* The kernel gives the tasks of a group that goes to its parent, and takes monitoring groups with their class. */
int op_rdt_remove(struct context *ctx, const struct op_rdt_remove *op, struct failure *reterr)
{
	cleanup_fd int mount = -1;
	cleanup_fd int group = -1;
	cleanup_fd int monitors = -1;
	char name[NAME_MAX + 1];
	char monitor[NAME_MAX + 1];

	if (!is_noted(ctx, GROUP_NOTE) && !is_noted(ctx, MONITOR_NOTE))
		return 0;
	if (expand_name(ctx, op->group, name, reterr) < 0 || expand_name(ctx, op->monitor, monitor, reterr) < 0)
		return -1;
	mount = open_mount(ctx, op->mount, reterr);
	if (mount < 0)
		return -1;
	if (is_noted(ctx, GROUP_NOTE))
		return remove_group(mount, name, reterr);
	group = open_directory(mount, name[0] == '\0' ? "." : name);
	monitors = group < 0 ? -1 : open_directory(group, "mon_groups");
	if (monitors < 0)
		return errno == ENOENT ? 0 : FAIL(reterr, "open");
	return remove_group(monitors, monitor, reterr);
}
