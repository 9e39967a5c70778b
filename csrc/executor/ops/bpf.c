/*
 * CGROUP_DEVICES: loads the device filter that the compiler assembled and attaches it to the cgroup.
 * bpf(2), Documentation/admin-guide/cgroup-v2.rst "Device controller".
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "../cleanup.h"
#include "../context.h"
#include "../sys.h"

#define PROGRAM_NAME "tsrun_devices"
#define ATTACHED_MAX 64 /* BPF_CGROUP_MAX_PROGS of the kernel */

#define LOG_SIZE 8192
#define LOG_TAIL 1024 /* the verifier's verdict is in its last lines */

static int sys_bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static uint64_t address(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

static int load(const struct context *ctx, struct plan_blob program, char *log)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = address(plan_blob(&ctx->plan, program)),
		.insn_cnt = program.length / (uint32_t)sizeof(struct bpf_insn),
		.license = address("Apache-2.0"), /* no helper that asks for the GPL */
		.prog_name = PROGRAM_NAME,
	};

	if (log != NULL) {
		attr.log_buf = address(log);
		attr.log_size = LOG_SIZE;
		attr.log_level = 1;
	}
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

/* Loads once more for the verifier's words; the log costs time that a good program should not pay. */
static int refused(const struct context *ctx, struct plan_blob program, struct failure *reterr)
{
	char log[LOG_SIZE] = "";
	cleanup_fd int fd = -1;
	size_t length;

	(void)FAIL(reterr, "bpf");
	fd = load(ctx, program, log);
	length = strnlen(log, sizeof(log));
	if (length > LOG_TAIL)
		failure_detail(reterr, log + length - LOG_TAIL, LOG_TAIL);
	else
		failure_detail(reterr, log, length);
	return -1;
}

static bool is_own(int program)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = {
		.info = { .bpf_fd = (uint32_t)program, .info_len = sizeof(info), .info = address(&info) },
	};

	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 && strcmp(info.name, PROGRAM_NAME) == 0;
}

/* The program to take the place of: ours, or the only one that is attached. -1: there is none. */
static int attached_program(int cgroup_fd)
{
	uint32_t ids[ATTACHED_MAX] = { 0 };
	union bpf_attr query = {
		.query = {
			.target_fd = (uint32_t)cgroup_fd,
			.attach_type = BPF_CGROUP_DEVICE,
			.prog_ids = address(ids),
			.prog_cnt = ATTACHED_MAX,
		},
	};

	if (sys_bpf(BPF_PROG_QUERY, &query) < 0)
		return -1;
	for (uint32_t i = 0; i < query.query.prog_cnt; i++) {
		union bpf_attr open = { .prog_id = ids[i] };
		cleanup_fd int program = sys_bpf(BPF_PROG_GET_FD_BY_ID, &open);

		if (program >= 0 && (query.query.prog_cnt == 1 || is_own(program)))
			return steal_fd(&program);
	}
	return -1;
}

/* Programs of one cgroup are ANDed, so adding one never loosens what another one forbids. */
static int attach(int cgroup_fd, int program)
{
	cleanup_fd int old = attached_program(cgroup_fd);
	union bpf_attr attr = {
		.target_fd = (uint32_t)cgroup_fd,
		.attach_bpf_fd = (uint32_t)program,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};

	if (old >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)old;
	}
	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

int op_cgroup_devices(struct context *ctx, const struct op_cgroup_devices *op, struct failure *reterr)
{
	bool ignore = (op->flags & BPF_IGNORE_ERRORS) != 0;
	cleanup_fd int program = -1;

	if (op->program.length % sizeof(struct bpf_insn) != 0) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "bpf");
	}
	program = load(ctx, op->program, NULL);
	if (program < 0)
		return ignore ? 0 : refused(ctx, op->program, reterr);
	if (attach(ctx->cgroup_fd, program) < 0)
		return ignore ? 0 : FAIL(reterr, "bpf");
	return 0;
}
