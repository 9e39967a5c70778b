/* The signal state that a program is entitled to find: signal(7), "execve(2)" keeps what is ignored or blocked. */
#ifndef TSRUN_SIGNALS_H
#define TSRUN_SIGNALS_H

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not sigfillset(3), which leaves out signals that the C library keeps for itself: callers may send these too. */
static inline sigset_t signals_all(void)
{
	sigset_t all;

	memset(&all, 0xff, sizeof(all));
	return all;
}

static inline void signals_reset(void)
{
	/* The raw call: the C library refuses the two signals it keeps for itself. All zero is SIG_DFL on every ABI. */
	const uint64_t by_default[8] = { 0 };
	const uint64_t no_signals[2] = { 0 };
	const size_t set_size = _NSIG / 8;

	for (int signal = 1; signal < _NSIG; signal++)
		(void)syscall(SYS_rt_sigaction, signal, by_default, NULL, set_size);
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, no_signals, NULL, set_size);
}

#endif
