/* ps: the processes of the container's cgroup and those below it, as the host numbers them: a JSON array. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../buffer.h"
#include "../cgroup.h"
#include "../freezer.h"
#include "../io.h"
#include "../members.h"
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

/* None once the container has stopped and its cgroup is gone. */
int verb_ps(struct context *ctx, struct failure *reterr)
{
	cleanup_freezer freezer = { .fd = -1 };
	struct buffer pids = { 0 };
	struct buffer text = { 0 };

	if (statedir_load(ctx, 0, reterr) < 0 || freezer_open(ctx, &freezer, reterr) < 0)
		return -1;
	if (cgroup_planned(ctx, 0) == NULL)
		return FAIL_AS(reterr, PROBLEM_NO_CGROUP, "openat2");
	if (freezer.fd >= 0 && members_visit(freezer.fd, add_pid, &pids) < 0)
		return FAIL(reterr, "cgroup.procs");
	write_json(&pids, &text);
	if (text.failed) {
		errno = ENOMEM;
		return FAIL(reterr, "mmap");
	}
	return print_all(text.at, text.size) < 0 ? FAIL(reterr, "write") : 0;
}
