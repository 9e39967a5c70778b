/*
 * SYSTEMD_CONNECT, SYSTEMD_START_UNIT, SYSTEMD_STOP_UNIT, SYSTEMD_SET_PROPERTIES, SYSTEMD_ATTACH: the unit around the
 * container. Values are in the plan; here is what is said when. org.freedesktop.systemd1(5).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../cgroup.h"
#include "../cleanup.h"
#include "../dbus.h"
#include "../systemd_calls.h"

#define UNIT_EXISTS  "org.freedesktop.systemd1.UnitExists"
#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"
#define UNKNOWN_PROPERTY \
	"org.freedesktop.DBus.Error.PropertyReadOnly" /* "Cannot set property X, or unknown property." */

/* A unit of that name that is on its way out: systemd needs a moment after its last process. */
#define LINGER_TRIES	40
#define LINGER_PAUSE_NS (50 * 1000 * 1000)

/* One command talks to one manager; the buffer is too big for the stack. */
static struct dbus systemd = { .fd = -1, .signal_fd = -1 };

static int send_simply(struct dbus_call *call, struct failure *reterr)
{
	struct dbus_message reply;

	return dbus_call(&systemd, call, &reply, reterr);
}

/* For a step whose refusal changes nothing. */
static void send_ignoring(struct dbus_call *call)
{
	struct failure ignored = { 0 };

	(void)send_simply(call, &ignored);
}

static void forget_failure(const char *unit)
{
	struct dbus_call call;

	call_reset_failed_unit(&call, unit);
	send_ignoring(&call);
}

static int greet_bus(struct failure *reterr)
{
	struct dbus_call call;

	call_hello(&call);
	if (send_simply(&call, reterr) < 0)
		return -1;
	call_add_match(&call);
	if (send_simply(&call, reterr) < 0)
		return -1;
	/* A second subscription of the same peer is refused, and as good. */
	call_subscribe(&call);
	send_ignoring(&call);
	return 0;
}

int op_systemd_connect(struct context *ctx, const struct op_systemd_connect *op, struct failure *reterr)
{
	const char *path = plan_str(&ctx->plan, op->direct.offset);

	dbus_begin(&systemd, ctx->signal_fd);
	errno = ENOENT;
	(void)FAIL(reterr, "connect");
	for (uint32_t i = 0; i < op->direct.count; i++, path = plan_next(path))
		if (dbus_connect(&systemd, path, reterr) == 0)
			return 0;
	path = plan_str(&ctx->plan, op->bus.offset);
	for (uint32_t i = 0; i < op->bus.count; i++, path = plan_next(path))
		if (dbus_connect(&systemd, path, reterr) == 0 && greet_bus(reterr) == 0)
			return 0;
	dbus_close(&systemd);
	return -1;
}

/* Reads until the job has gone: JobRemoved(u id, o job, s unit, s result). */
static int wait_job(const char *job, struct failure *reterr)
{
	struct dbus_message message;
	const char *texts[3] = { "", "", "" };
	char wanted[256];

	if (strlen(job) >= sizeof(wanted)) {
		errno = EPROTO;
		return FAIL(reterr, "job");
	}
	strcpy(wanted, job);
	do
		if (dbus_receive(&systemd, &message, reterr) < 0)
			return -1;
	while (message.type != DBUS_SIGNAL || strcmp(message.member, "JobRemoved") != 0 ||
		!dbus_texts(&systemd, &message, "uoss", texts) || strcmp(texts[0], wanted) != 0);
	if (strcmp(texts[2], "done") == 0)
		return 0;
	errno = ECANCELED;
	(void)FAIL_AS(reterr, PROBLEM_SYSTEMD_JOB, "systemd");
	failure_detail(reterr, texts[2], strlen(texts[2]));
	return -1;
}

/* A call whose answer is the path of a job, to the job's end. */
static int run_job(struct dbus_call *call, struct failure *reterr)
{
	struct dbus_message reply;
	const char *job;

	dbus_begin(&systemd, systemd.signal_fd);
	if (dbus_call(&systemd, call, &reply, reterr) < 0)
		return -1;
	if (dbus_texts(&systemd, &reply, "o", &job))
		return wait_job(job, reterr);
	errno = EPROTO;
	return FAIL(reterr, "job");
}

static int start_unit(struct context *ctx, const struct op_systemd_start_unit *op, struct failure *reterr)
{
	struct dbus_call call;

	if (call_start_unit(&call, ctx, op, true, reterr) < 0)
		return -1;
	if (run_job(&call, reterr) == 0)
		return 0;
	if (op->newer.length == 0 || !dbus_is_error(reterr, UNKNOWN_PROPERTY))
		return -1;
	*reterr = (struct failure){ 0 };
	return call_start_unit(&call, ctx, op, false, reterr) < 0 ? -1 : run_job(&call, reterr);
}

static int open_cgroup(struct context *ctx, plan_str_t mount, plan_str_t path, struct failure *reterr)
{
	cleanup_fd int root = open(plan_str(&ctx->plan, mount), O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[PATH_MAX];

	if (root < 0)
		return FAIL(reterr, "open");
	if (cgroup_path(ctx, plan_str(&ctx->plan, path), text, reterr) < 0)
		return -1;
	return cgroup_open(root, text);
}

/* Something of that name exists. Failed ones are forgotten, empty ones stopped; what runs is somebody else's. */
static int make_room(struct context *ctx, const struct op_systemd_start_unit *op, int tries, struct failure *reterr)
{
	const struct timespec pause = { .tv_nsec = LINGER_PAUSE_NS };
	const char *unit = plan_str(&ctx->plan, op->unit);
	cleanup_fd int fd = -1;
	struct dbus_call stop;

	forget_failure(unit);
	if (tries == 0)
		return 0;
	fd = open_cgroup(ctx, op->mount, op->path, reterr);
	if (tries == LINGER_TRIES || (fd >= 0 && cgroup_is_populated(fd))) {
		errno = EEXIST;
		(void)FAIL_AS(reterr, PROBLEM_SYSTEMD_UNIT_IN_USE, "systemd");
		if (fd >= 0)
			cgroup_detail_pids(fd, reterr);
		return -1;
	}
	call_stop_unit(&stop, unit);
	send_ignoring(&stop);
	(void)nanosleep(&pause, NULL);
	return 0;
}

int op_systemd_start_unit(struct context *ctx, const struct op_systemd_start_unit *op, struct failure *reterr)
{
	for (int tries = 0;; tries++) {
		*reterr = (struct failure){ 0 };
		/* From here on the unit may be there, whatever we are told. */
		ctx->unit_started = true;
		if (start_unit(ctx, op, reterr) == 0)
			return 0;
		if (!dbus_is_error(reterr, UNIT_EXISTS))
			return -1;
		ctx->unit_started = false;
		if (make_room(ctx, op, tries, reterr) < 0)
			return -1;
	}
}

int op_systemd_stop_unit(struct context *ctx, const struct op_systemd_stop_unit *op, struct failure *reterr)
{
	const char *unit = plan_str(&ctx->plan, op->unit);
	cleanup_fd int fd = open_cgroup(ctx, op->mount, op->path, reterr);
	struct dbus_call stop;

	if (fd >= 0 && !cgroup_may_be_emptied(ctx, fd, 0))
		return 0;
	call_stop_unit(&stop, unit);
	if (run_job(&stop, reterr) < 0 && !dbus_is_error(reterr, NO_SUCH_UNIT) &&
		reterr->problem != PROBLEM_SYSTEMD_JOB)
		return -1;
	forget_failure(unit);
	return 0;
}

int op_systemd_set_properties(struct context *ctx, const struct op_systemd_set_properties *op, struct failure *reterr)
{
	struct dbus_call call;

	dbus_begin(&systemd, ctx->signal_fd);
	call_set_unit_properties(&call, ctx, op, true);
	if (send_simply(&call, reterr) == 0)
		return 0;
	if (op->newer.length == 0 || !dbus_is_error(reterr, UNKNOWN_PROPERTY))
		return -1;
	*reterr = (struct failure){ 0 };
	call_set_unit_properties(&call, ctx, op, false);
	return send_simply(&call, reterr);
}

int op_systemd_attach(struct context *ctx, const struct op_systemd_attach *op, struct failure *reterr)
{
	struct dbus_call call;

	call_attach_processes(&call, plan_str(&ctx->plan, op->unit), ctx->init_pid);
	dbus_begin(&systemd, ctx->signal_fd);
	return send_simply(&call, reterr);
}
