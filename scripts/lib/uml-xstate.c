/*
 * Preloaded into user-mode Linux. Since Linux 5.14 the host takes PTRACE_SETREGSET(NT_X86_XSTATE) only with the whole
 * XSAVE area (EFAULT otherwise), and UML 6.1 passes the part up to PKRU: on processors with AMX no program starts.
 * Here the missing tail is filled with what the traced process has.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define XSTATE 0x202
#define XSAVE_MAX 16384

static char area[XSAVE_MAX] __attribute__((aligned(64)));

long ptrace(enum __ptrace_request request, ...)
{
	va_list args;

	va_start(args, request);
	pid_t pid = va_arg(args, pid_t);
	void *address = va_arg(args, void *);
	void *data = va_arg(args, void *);
	va_end(args);

	if (request == PTRACE_SETREGSET && (long)address == XSTATE) {
		const struct iovec *given = data;
		struct iovec whole = { .iov_base = area, .iov_len = sizeof(area) };

		if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, XSTATE, &whole) == 0 && whole.iov_len > given->iov_len) {
			memcpy(area, given->iov_base, given->iov_len);
			return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, XSTATE, &whole);
		}
	}
	/* The raw call returns peeked words through data; glibc returns them. */
	if (request >= PTRACE_PEEKTEXT && request <= PTRACE_PEEKUSER) {
		long word = 0;
		long failed = syscall(SYS_ptrace, request, pid, address, &word);

		return failed ? failed : word;
	}
	return syscall(SYS_ptrace, request, pid, address, data);
}
