/*
 * LISTENER_PAGE and SEND_LISTENER: config-linux.md "seccompListenerPath", seccomp_unotify(2), pidfd_getfd(2).
 *
 * Whatever init calls after its filter is loaded may be refused, may kill it, or may wait for an answer that nobody can
 * give yet. So it tells the number of its notify descriptor by a store to a shared page, and looks at that page until
 * the executor, which no filter binds, has fetched the descriptor and sent it on: about a millisecond.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../channel.h"
#include "../cleanup.h"
#include "../listener.h"
#include "../sys.h"
#include "../unixsocket.h"

#define LOOK_EVERY_MS 1
/* Half a minute to some minutes: only reached when the executor was killed in between. */
#define MOST_LOOKS (UINT64_C(1) << 32)

struct listener_page {
	int offered; /* number of the descriptor in init, plus one */
	int taken;
};

int op_listener_page(struct context *ctx, const struct op_listener_page *op, struct failure *reterr)
{
	(void)op;
	ctx->listener = mmap(NULL, sizeof(*ctx->listener), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ctx->listener != MAP_FAILED)
		return 0;
	ctx->listener = NULL;
	return FAIL(reterr, "mmap");
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

void listener_offer(struct context *ctx, int fd)
{
	struct listener_page *page = ctx->listener;

	if (page == NULL)
		return;
	__atomic_store_n(&page->offered, fd + 1, __ATOMIC_RELEASE);
	for (uint64_t looks = 0; looks < MOST_LOOKS; looks++) {
		if (__atomic_load_n(&page->taken, __ATOMIC_ACQUIRE) != 0)
			return;
		relax();
	}
	/* Without the executor there is no container to go on with, and _exit(2) may be refused. */
	__builtin_trap();
}

int op_send_listener(struct context *ctx, const struct op_send_listener *op, struct failure *reterr)
{
	struct listener_page *page = ctx->listener;
	cleanup_fd int listener = -1;
	cleanup_fd int agent = -1;
	const char *message;

	if (page == NULL) {
		errno = EINVAL;
		return FAIL_AS(reterr, PROBLEM_BAD_PLAN, "listener");
	}
	message = map_expanded(ctx, plan_str(&ctx->plan, op->message), STATUS_CREATING, reterr);
	if (message == NULL)
		return -1;
	while (__atomic_load_n(&page->offered, __ATOMIC_ACQUIRE) == 0)
		if (channel_take(ctx, LOOK_EVERY_MS, reterr) < 0)
			return -1;
	listener = sys_pidfd_getfd(ctx->init_pidfd, page->offered - 1);
	if (listener < 0)
		return FAIL(reterr, "pidfd_getfd");
	agent = unix_connect(SOCK_STREAM, plan_str(&ctx->plan, op->path), ctx->signal_fd);
	if (agent < 0)
		return FAIL(reterr, "connect");
	if (unix_send_fd(agent, listener, message, strlen(message)) < 0)
		return FAIL(reterr, "sendmsg");
	__atomic_store_n(&page->taken, 1, __ATOMIC_RELEASE);
	return 0;
}
