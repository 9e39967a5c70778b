/*
 * The freezer (see freezer.h): cgroup.freeze, cgroup.kill and cgroup.events of cgroup2, or freezer.state and a
 * signal to each process of cgroup v1.
 */
#include "freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "cleanup.h"
#include "io.h"
#include "members.h"
#include "sys.h"

#define DEADLINE_MS	10000
#define KILL_FREEZE_MS	500 /* a process that will not freeze (vfork, ptrace) must not keep the others alive */
#define V1_PAUSE_MS	5   /* v1 tells nobody when a state changes */
#define V1_KILL_EACH_MS 100

struct deadline {
	struct timespec start;
	int limit_ms;
};

static struct deadline deadline_in(int limit_ms)
{
	struct deadline deadline = { .limit_ms = limit_ms };

	(void)clock_gettime(CLOCK_MONOTONIC, &deadline.start);
	return deadline;
}

static int milliseconds_left(const struct deadline *deadline)
{
	struct timespec now;
	long passed;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	passed = (now.tv_sec - deadline->start.tv_sec) * 1000 + (now.tv_nsec - deadline->start.tv_nsec) / 1000000;
	return passed >= deadline->limit_ms ? 0 : deadline->limit_ms - (int)passed;
}

static void pause_a_moment(void)
{
	const struct timespec pause = { .tv_nsec = V1_PAUSE_MS * 1000 * 1000 };

	(void)nanosleep(&pause, NULL);
}

static int busy(const struct freezer *freezer, const char *what, struct failure *reterr)
{
	errno = EBUSY;
	(void)FAIL_AS(reterr, PROBLEM_BUSY, what);
	cgroup_detail_pids(freezer->fd, reterr);
	return -1;
}

int freezer_open(const struct context *ctx, struct freezer *ret_freezer, struct failure *reterr)
{
	const struct op *op;

	*ret_freezer = (struct freezer){ .fd = -1 };
	for (uint32_t i = 0; (op = cgroup_planned(ctx, i)) != NULL; i++) {
		const struct op_cgroup_create *v2 = (const void *)op;
		const struct op_cgroup_create_v1 *v1 = (const void *)op;
		bool is_v1 = op->code == OP_CGROUP_CREATE_V1;

		if (is_v1 && (v1->flags & CGROUP_FREEZER) == 0)
			continue;
		ret_freezer->v1 = is_v1;
		ret_freezer->path = plan_str(&ctx->plan, is_v1 ? v1->path : v2->path);
		ret_freezer->controllers = is_v1 ? plan_str(&ctx->plan, v1->controllers) : "";
		ret_freezer->fd = cgroup_open_planned(ctx, op);
		if (ret_freezer->fd < 0 && errno == ENODEV)
			errno = ENOENT;
		return ret_freezer->fd >= 0 || errno == ENOENT ? 0 : FAIL(reterr, "openat2");
	}
	errno = ENOENT;
	return 0;
}

static bool state_is(int fd, const char *state)
{
	char text[32];

	return read_file_at(fd, "freezer.state", text, sizeof(text)) > 0 && strcmp(text, state) == 0;
}

bool freezer_is_frozen(const struct freezer *freezer)
{
	if (freezer->fd < 0)
		return false;
	return freezer->v1 ? state_is(freezer->fd, "FROZEN\n") : cgroup_event(freezer->fd, "frozen");
}

static int write_state(const struct freezer *freezer, bool frozen)
{
	if (freezer->v1)
		return write_file_at(freezer->fd, "freezer.state", frozen ? "FROZEN" : "THAWED");
	return write_file_at(freezer->fd, "cgroup.freeze", frozen ? "1" : "0");
}

/* As far as this cgroup is concerned: one below a frozen parent stays frozen when it is thawed. */
static bool has_state(const struct freezer *freezer, bool frozen)
{
	char text[8];

	if (frozen)
		return freezer_is_frozen(freezer);
	if (!freezer->v1)
		return !cgroup_event(freezer->fd, "frozen") ||
		       (read_file_at(freezer->fd, "cgroup.freeze", text, sizeof(text)) > 0 && text[0] == '0');
	return read_file_at(freezer->fd, "freezer.self_freezing", text, sizeof(text)) > 0 && text[0] == '0';
}

/* poll(2) on cgroup.events returns when it changed since it was last read. */
static bool wait_state(const struct freezer *freezer, bool frozen, int limit_ms)
{
	cleanup_fd int events = freezer->v1 ? -1 : openat(freezer->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd changed = { .fd = events, .events = POLLPRI };
	struct deadline deadline = deadline_in(limit_ms);
	char text[256];

	for (;;) {
		int left = milliseconds_left(&deadline);

		if (events >= 0)
			(void)!pread(events, text, sizeof(text), 0);
		if (has_state(freezer, frozen))
			return true;
		if (left == 0)
			return false;
		if (events >= 0)
			(void)poll(&changed, 1, left);
		else
			pause_a_moment();
	}
}

int freezer_set(const struct freezer *freezer, bool frozen, struct failure *reterr)
{
	const char *file = freezer->v1 ? "freezer.state" : "cgroup.freeze";

	if (write_state(freezer, frozen) < 0)
		return FAIL(reterr, file);
	/* A process that is in the kernel stops only when it leaves it. */
	if (wait_state(freezer, frozen, DEADLINE_MS))
		return 0;
	errno = EBUSY;
	(void)FAIL_AS(reterr, PROBLEM_FREEZER_STUCK, file);
	if (frozen)
		(void)write_state(freezer, false);
	return -1;
}

static int kill_one(pid_t pid, void *arg)
{
	(void)arg;
	(void)kill(pid, SIGKILL);
	return 0;
}

/* Frozen, nothing can fork away, and nothing can end and lend its pid to a stranger before it is signalled. */
static int kill_v1(const struct freezer *freezer)
{
	if (write_state(freezer, true) < 0)
		return -1;
	(void)wait_state(freezer, true, KILL_FREEZE_MS);
	(void)members_visit(freezer->fd, kill_one, NULL);
	return write_state(freezer, false);
}

int freezer_kill(const struct freezer *freezer)
{
	/* Since Linux 5.14. Frozen processes die too, and no fork gets away. */
	int result = freezer->v1 ? kill_v1(freezer) : write_file_at(freezer->fd, "cgroup.kill", "1");

	return result == 0 || errno == ENODEV ? 0 : -1;
}

/* What forked while it could not be frozen is killed again. */
static int wait_empty_v1(const struct freezer *freezer, struct failure *reterr)
{
	struct deadline deadline = deadline_in(DEADLINE_MS);
	struct deadline again = deadline_in(V1_KILL_EACH_MS);

	while (cgroup_is_populated(freezer->fd)) {
		if (milliseconds_left(&deadline) == 0)
			return busy(freezer, "freezer.state", reterr);
		if (milliseconds_left(&again) == 0) {
			(void)kill_v1(freezer);
			again = deadline_in(V1_KILL_EACH_MS);
		}
		pause_a_moment();
	}
	return 0;
}

int freezer_wait_empty(const struct freezer *freezer, struct failure *reterr)
{
	cleanup_fd int events = freezer->v1 ? -1 : openat(freezer->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd changed = { .fd = events, .events = POLLPRI };
	struct deadline deadline = deadline_in(DEADLINE_MS);
	char text[256];

	if (freezer->v1)
		return wait_empty_v1(freezer, reterr);
	for (;;) {
		ssize_t got = pread(events, text, sizeof(text) - 1, 0);
		int left = milliseconds_left(&deadline);

		/* Gone while we looked, or the root cgroup, which has no such file. */
		if (got <= 0)
			return 0;
		text[got] = '\0';
		if (strstr(text, "populated 1") == NULL)
			return 0;
		if (left == 0)
			return busy(freezer, "cgroup.kill", reterr);
		(void)poll(&changed, 1, left);
	}
}

static bool is_own(const struct context *ctx, const struct freezer *freezer)
{
	return freezer->fd >= 0 && cgroup_mark_of(ctx, freezer->fd) != MARK_OTHER;
}

int freezer_kill_init(const struct context *ctx)
{
	cleanup_freezer freezer = { .fd = -1 };
	struct failure ignored;
	bool sent = sys_pidfd_send_signal(ctx->init_pidfd, SIGKILL) == 0;
	int error = errno;

	/* Without a plan, when its record is damaged, nobody knows the cgroup. */
	if (ctx->plan.bytes != NULL && freezer_open(ctx, &freezer, &ignored) == 0) {
		/* In a frozen cgroup of v1 (not of cgroup2) the signal would wait for the thaw. */
		if (sent && freezer.v1 && freezer_is_frozen(&freezer))
			(void)write_state(&freezer, false);
		if (!sent && error == EACCES && !freezer.v1 && is_own(ctx, &freezer))
			sent = freezer_kill(&freezer) == 0;
	}
	errno = error;
	return sent ? 0 : -1;
}
