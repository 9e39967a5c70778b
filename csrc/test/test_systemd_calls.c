/* The calls to systemd, against the bytes that busctl put on a bus for the same call. */
#include "build_plan.h"
#include "context.h"
#include "systemd_calls.h"
#include "tap.h"

/*
 * busctl call ... StartTransientUnit 'ssa(sv)a(sa(sv))' tsrun-c1.scope replace 6 Description s ... 0, as
 * `dbus-monitor --binary` saw it: the body.
 */
static const char OF_BUSCTL[] = "0e000000747372756e2d63312e73636f70650000070000007265706c61636500f7000000000000000b0000"
				"004465736372697074696f6e000173"
				"000012000000747372756e20636f6e7461696e65722063310000000000000800000044656c656761746500"
				"016200010000000000000004000000"
				"5049447300026175000000000400000034120000090000004d656d6f72794d617800017400000000000000"
				"00ffffffffffffffff0b000000416c"
				"6c6f77656443505573000261790002000000038100000000000"
				"00b000000446576696365416c6c6f7700056128737329000037000000000000"
				"000d0000002f6465762f636861722f313a330000000300000072776d000000000008000000636861722d70"
				"747300000000020000007277000000"
				"00000000000000";

static uint8_t body[512];
static size_t body_size;
static struct build build;
static struct context ctx;

static void read_hex(void)
{
	for (const char *at = OF_BUSCTL; *at != '\0'; at += 2) {
		unsigned int byte;

		if (sscanf(at, "%2x", &byte) != 1)
			abort();
		body[body_size++] = (uint8_t)byte;
	}
}

/* Where the property of this name begins. */
static size_t find(const char *name)
{
	const uint8_t *at = memmem(body, body_size, name, strlen(name) + 1);

	return (size_t)(at - body) - sizeof(uint32_t);
}

/* All parts, one after the other; the length of the body that the head gives, or 0 if it is not the last so many bytes.
 */
static size_t gather(struct dbus_call *call, uint8_t *bytes, size_t size)
{
	size_t length = 0;
	uint32_t of_body;

	if (!dbus_end_call(call, 7) || call->size > size)
		return 0;
	for (int i = 0; i < call->count; i++) {
		memcpy(bytes + length, call->parts[i].iov_base, call->parts[i].iov_len);
		length += call->parts[i].iov_len;
	}
	memcpy(&of_body, bytes + 4, sizeof(of_body));
	return length == call->size && call->body % 8 == 0 && of_body == length - call->body ? of_body : 0;
}

static bool is_body(struct dbus_call *call, const void *wanted, size_t size)
{
	uint8_t bytes[1024];

	return gather(call, bytes, sizeof(bytes)) == size && memcmp(bytes + call->body, wanted, size) == 0;
}

static struct op_systemd_start_unit start_op(void)
{
	static const char *const texts[] = { "Description", "tsrun container c1", NULL };
	const size_t old = find("Delegate");
	const size_t newer = find("AllowedCPUs");
	struct op_systemd_start_unit op = { .code = OP_SYSTEMD_START_UNIT };
	const uint32_t nobody = 0;
	const size_t pid = find("PIDs") + 20;

	/* What follows the properties: the length of an array without elements, and its alignment. */
	op.newer = build_blob(&build, body + newer, (uint32_t)(body_size - newer - 9));
	op.properties = build_blob(&build, body + old, (uint32_t)(newer - old));
	op.pid_at = (uint32_t)(pid - old);
	memcpy(build.bytes + BUILD_STRINGS_AT + op.properties.offset + op.pid_at, &nobody, sizeof(nobody));
	op.texts = build_strv(&build, texts);
	op.unit = build_str(&build, "tsrun-c1.scope");
	return op;
}

static void test_start(void)
{
	const struct op_systemd_start_unit op = start_op();
	const size_t newer = find("AllowedCPUs");
	struct op_systemd_start_unit bad = op;
	struct failure failure = { 0 };
	struct dbus_call call;
	uint8_t old[512];
	uint32_t length;

	ctx.plan = build_finish(&build);
	ctx.init_pid = 0x1234;
	OK(call_start_unit(&call, &ctx, &op, true, &failure) == 0 && is_body(&call, body, body_size),
		"StartTransientUnit is what busctl writes");

	/* Without the newer ones the list ends before them, and what is behind it follows. */
	memcpy(old, body, newer);
	memset(old + newer, 0, 8);
	memcpy(&length, body + 32, sizeof(length));
	length -= (uint32_t)(body_size - 9 - newer);
	memcpy(old + 32, &length, sizeof(length));
	OK(call_start_unit(&call, &ctx, &op, false, &failure) == 0 && is_body(&call, old, newer + 8),
		"without the properties that not every systemd knows, too");

	for (uint32_t at = 1; at < 4; at++) {
		bad.pid_at = op.pid_at + at;
		OK(call_start_unit(&call, &ctx, &bad, true, &failure) < 0 && failure.problem == PROBLEM_BAD_PLAN,
			"a pid that is not aligned is refused");
	}
	bad.pid_at = op.properties.length;
	OK(call_start_unit(&call, &ctx, &bad, true, &failure) < 0, "one behind the properties too");
}

static void test_small_calls(void)
{
	struct dbus_call call;

	call_stop_unit(&call, "a.scope");
	OK(is_body(&call, "\7\0\0\0a.scope\0\7\0\0\0replace", 24), "StopUnit has the unit and a mode");
	call_reset_failed_unit(&call, "a.scope");
	OK(is_body(&call, "\7\0\0\0a.scope", 12), "ResetFailedUnit has the unit");
	call_attach_processes(&call, "a.scope", 0x1234);
	OK(is_body(&call, "\7\0\0\0a.scope\0\0\0\0\0\0\0\0\0\4\0\0\0\x34\x12\0\0", 28),
		"AttachProcessesToUnit has the unit, no path below it, and the pid");
}

int main(void)
{
	read_hex();
	build_start(&build);
	test_start();
	test_small_calls();
	return tap_done();
}
