/* Calls to systemd: see systemd_calls.h. */
#include "systemd_calls.h"

#include <errno.h>

#define TO_MANAGER(name, types)                                                                          \
	{                                                                                                \
		.destination = "org.freedesktop.systemd1", .path = "/org/freedesktop/systemd1",          \
		.interface = "org.freedesktop.systemd1.Manager", .member = (name), .signature = (types), \
	}
#define TO_BUS(name, types)                                                                  \
	{                                                                                    \
		.destination = "org.freedesktop.DBus", .path = "/org/freedesktop/DBus",      \
		.interface = "org.freedesktop.DBus", .member = (name), .signature = (types), \
	}

static const struct dbus_method HELLO = TO_BUS("Hello", "");
static const struct dbus_method ADD_MATCH = TO_BUS("AddMatch", "s");
static const struct dbus_method SUBSCRIBE = TO_MANAGER("Subscribe", "");
static const struct dbus_method START_TRANSIENT_UNIT = TO_MANAGER("StartTransientUnit", "ssa(sv)a(sa(sv))");
static const struct dbus_method STOP_UNIT = TO_MANAGER("StopUnit", "ss");
static const struct dbus_method RESET_FAILED_UNIT = TO_MANAGER("ResetFailedUnit", "s");
static const struct dbus_method SET_UNIT_PROPERTIES = TO_MANAGER("SetUnitProperties", "sba(sv)");
static const struct dbus_method ATTACH_PROCESSES = TO_MANAGER("AttachProcessesToUnit", "ssau");

/* What makes a bus pass on the end of jobs. */
#define JOB_REMOVED                                                                         \
	"type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1'," \
	"interface='org.freedesktop.systemd1.Manager',member='JobRemoved'"

/* Jobs that are in the way are given up. */
#define REPLACE "replace"

void call_hello(struct dbus_call *call)
{
	dbus_begin_call(call, &HELLO);
}

void call_add_match(struct dbus_call *call)
{
	dbus_begin_call(call, &ADD_MATCH);
	dbus_put_text(call, JOB_REMOVED);
}

void call_subscribe(struct dbus_call *call)
{
	dbus_begin_call(call, &SUBSCRIBE);
}

/* Pairs of a property and its text. */
static void put_texts(const struct context *ctx, struct dbus_call *call, struct plan_strv texts)
{
	const char *text = plan_str(&ctx->plan, texts.offset);

	for (uint32_t i = 0; i + 1 < texts.count; i += 2) {
		const char *value = plan_next(text);

		dbus_put_property(call, text, value);
		text = plan_next(value);
	}
}

/* Elements of an a(sv), aligned from where they begin. Padding behind the last one would be wrong. */
static void put_properties(const struct context *ctx, struct dbus_call *call, struct plan_blob blob)
{
	if (blob.length == 0)
		return;
	dbus_align(call, 8);
	dbus_put_bytes(call, plan_blob(&ctx->plan, blob), blob.length);
}

/* The init of the container is the unit's process. */
static int put_properties_and_pid(const struct context *ctx, struct dbus_call *call, struct plan_blob blob,
	uint32_t pid_at, struct failure *reterr)
{
	const uint8_t *bytes = plan_blob(&ctx->plan, blob);
	const size_t size = sizeof(uint32_t);

	if (pid_at % size != 0 || blob.length < size || pid_at > blob.length - size) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "message");
	}
	dbus_align(call, 8);
	dbus_put_bytes(call, bytes, pid_at);
	dbus_put_u32(call, (uint32_t)ctx->init_pid);
	dbus_put_bytes(call, bytes + pid_at + size, blob.length - pid_at - size);
	return 0;
}

int call_start_unit(struct dbus_call *call, const struct context *ctx, const struct op_systemd_start_unit *op,
	bool newer, struct failure *reterr)
{
	struct dbus_array properties;

	dbus_begin_call(call, &START_TRANSIENT_UNIT);
	dbus_put_text(call, plan_str(&ctx->plan, op->unit));
	dbus_put_text(call, REPLACE);
	properties = dbus_begin_array(call, 8);
	put_texts(ctx, call, op->texts);
	if (put_properties_and_pid(ctx, call, op->properties, op->pid_at, reterr) < 0)
		return -1;
	if (newer)
		put_properties(ctx, call, op->newer);
	dbus_end_array(call, properties);
	dbus_end_array(call, dbus_begin_array(call, 8)); /* no other units */
	return 0;
}

void call_set_unit_properties(
	struct dbus_call *call, const struct context *ctx, const struct op_systemd_set_properties *op, bool newer)
{
	const uint32_t runtime = 1; /* until the unit ends, in no file on disk */
	struct dbus_array properties;

	dbus_begin_call(call, &SET_UNIT_PROPERTIES);
	dbus_put_text(call, plan_str(&ctx->plan, op->unit));
	dbus_put_u32(call, runtime);
	properties = dbus_begin_array(call, 8);
	put_properties(ctx, call, op->properties);
	if (newer)
		put_properties(ctx, call, op->newer);
	dbus_end_array(call, properties);
}

void call_stop_unit(struct dbus_call *call, const char *unit)
{
	dbus_begin_call(call, &STOP_UNIT);
	dbus_put_text(call, unit);
	dbus_put_text(call, REPLACE);
}

void call_reset_failed_unit(struct dbus_call *call, const char *unit)
{
	dbus_begin_call(call, &RESET_FAILED_UNIT);
	dbus_put_text(call, unit);
}

void call_attach_processes(struct dbus_call *call, const char *unit, pid_t pid)
{
	struct dbus_array processes;

	dbus_begin_call(call, &ATTACH_PROCESSES);
	dbus_put_text(call, unit);
	dbus_put_text(call, ""); /* no cgroup below that of the unit */
	processes = dbus_begin_array(call, 4);
	dbus_put_u32(call, (uint32_t)pid);
	dbus_end_array(call, processes);
}
