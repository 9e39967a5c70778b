/* ps: the processes of the container, as the host numbers them: a JSON array. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../buffer.h"
#include "../cgroup.h"
#include "../freezer.h"
#include "../io.h"
#include "../members.h"
#include "../procfs.h"
#include "../statedir.h"
#include "../verbs.h"

static int add_pid(pid_t pid, void *data)
{
	struct buffer *pids = data;

	buffer_add(pids, &pid, sizeof(pid));
	return pids->failed ? -1 : 0;
}

static int compare(const void *a, const void *b)
{
	const pid_t *one = a;
	const pid_t *other = b;

	return (*one > *other) - (*one < *other);
}

/* A process that moved while the cgroups were read may be there twice. */
static void write_json(struct buffer *pids, struct buffer *ret_text)
{
	const pid_t *pid = (const void *)pids->at;
	size_t count = pids->size / sizeof(*pid);
	char number[16];

	if (count > 0)
		qsort(pids->at, count, sizeof(*pid), compare);
	buffer_add(ret_text, "[", 1);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && pid[i] == pid[i - 1])
			continue;
		buffer_add(ret_text, number, (size_t)snprintf(number, sizeof(number), i == 0 ? "%d" : ",%d", pid[i]));
	}
	buffer_add(ret_text, "]\n", 2);
}

static int collect_from_cgroup(struct context *ctx, struct buffer *pids, struct failure *reterr)
{
	cleanup_freezer freezer = { .fd = -1 };

	if (freezer_open(ctx, &freezer, reterr) < 0)
		return -1;
	if (freezer.fd >= 0 && members_visit(freezer.fd, add_pid, pids) < 0)
		return FAIL(reterr, "cgroup.procs");
	return 0;
}

/* Of a user to whom no cgroup is delegated. */
static int collect_from_namespace(struct context *ctx, struct buffer *pids, struct failure *reterr)
{
	if (!has_own_pid_namespace(ctx))
		return FAIL_AS(reterr, PROBLEM_NO_CGROUP, "openat2");
	if (procfs_open(&ctx->proc_fd, reterr) < 0)
		return -1;
	if (statedir_init_is_alive(ctx) && members_of_namespace(ctx, add_pid, pids) < 0)
		return FAIL(reterr, "/proc");
	return 0;
}

/* None once the container has stopped and its cgroup is gone. */
int verb_ps(struct context *ctx, struct failure *reterr)
{
	struct buffer pids = { 0 };
	struct buffer text = { 0 };
	int result;

	if (statedir_load(ctx, 0, reterr) < 0)
		return -1;
	result = cgroup_planned(ctx, 0) == NULL ? collect_from_namespace(ctx, &pids, reterr)
						: collect_from_cgroup(ctx, &pids, reterr);
	if (result < 0)
		return -1;
	write_json(&pids, &text);
	if (text.failed) {
		errno = ENOMEM;
		return FAIL(reterr, "mmap");
	}
	return print_all(text.at, text.size) < 0 ? FAIL(reterr, "write") : 0;
}
