/* SECCOMP: installs the filter that the compiler made with libseccomp. seccomp(2). */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "../context.h"
#include "../listener.h"
#include "../signals.h"
#include "../sys.h"

int op_seccomp(struct context *ctx, const struct op_seccomp *op, struct failure *reterr)
{
	/* The kernel only reads the filter; its struct has no const. */
	struct sock_fprog program = {
		.len = (unsigned short)(op->filter.length / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)plan_blob(&ctx->plan, op->filter),
	};
	long result;

	if (op->filter.length % sizeof(struct sock_filter) != 0 ||
		op->filter.length / sizeof(struct sock_filter) > BPF_MAXINSNS) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "seccomp");
	}
	signals_reset();
	ctx->signals_ready = true;
	result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, op->flags, &program);
	if (result < 0)
		return FAIL(reterr, "seccomp");
	if ((op->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0)
		listener_offer(ctx, (int)result);
	return 0;
}
