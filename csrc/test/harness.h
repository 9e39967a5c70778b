/* Runs handlers without a plan file: a context over a string area that grows as tests need strings. */
#ifndef TSRUN_HARNESS_H
#define TSRUN_HARNESS_H

#include <sys/wait.h>

#include "cleanup.h"
#include "context.h"
#include "saferoot.h"
#include "scratch.h"

static struct {
	struct plan_header header;
	char strings[65536];
} harness_plan;

static struct context ctx;
static struct failure failure;

static inline plan_str_t str(const char *text)
{
	struct plan_header *header = &harness_plan.header;
	plan_str_t offset = header->strings_size;
	size_t size = strlen(text) + 1;

	must(offset + size <= sizeof(harness_plan.strings), "string area");
	memcpy(harness_plan.strings + offset, text, size);
	header->strings_size += (uint32_t)size;
	return offset;
}

/* Strings up to a NULL. */
static inline struct plan_strv strv(const char *const *texts)
{
	struct plan_strv vector = { harness_plan.header.strings_size, 0 };

	for (; *texts != NULL; texts++, vector.count++)
		(void)str(*texts);
	return vector;
}

#define STRV(...) strv((const char *const[]){ __VA_ARGS__, NULL })
#define NO_STRV	  ((struct plan_strv){ 0, 0 })

/* Runs op_NAME with the fields given. */
#define RUN(name, ...) op_##name(&ctx, &(const struct op_##name){ .code = 0, __VA_ARGS__ }, &failure)

/* Did it fail with this problem and errno? */
static inline bool failed_as(int result, uint32_t problem, int error)
{
	bool same = result == -1 && failure.problem == problem && failure.error == error;

	if (!same && result == -1)
		printf("# %s at line %u: problem %u errno %d (%s)\n", failure.syscall, failure.line, failure.problem,
			failure.error, strerror(failure.error));
	return same;
}

static inline bool succeeded(int result)
{
	return result != -1 || failed_as(result, PROBLEM_NONE, 0);
}

static inline bool detail_has(const char *text)
{
	return memmem(failure.detail, failure.detail_length, text, strlen(text)) != NULL;
}

static const struct args harness_args = { .root = "/", .id = "test", .status_fd = -1, .console_fd = -1 };

/* The context of an init that has run PRIVATE_PROC and OPEN_ROOTFS of ROOT. */
static inline void harness_start(void)
{
	cleanup_fd int root = scratch_root();

	memset(&harness_plan, 0, sizeof(harness_plan));
	harness_plan.header.strings = sizeof(harness_plan.header);
	harness_plan.header.strings_size = 1;
	context_init(&ctx, &harness_args);
	ctx.plan = (struct plan){ (const uint8_t *)&harness_plan, sizeof(harness_plan) };
	must(RUN(private_proc) == 0, "private_proc");
	must(RUN(open_rootfs, .path = str(ROOT), .slot = NO_SLOT) == 0, "open_rootfs");
}

/* The kernel refuses them in a chroot, and some hosts altogether. */
static inline bool has_user_namespaces(void)
{
	int status = 1;
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
	must(waitpid(pid, &status, 0) == pid, "waitpid");
	return status == 0;
}

/* Runs a test in a child with a rootfs of its own, which keeps its mounts, root and terminal to itself. */
static inline void in_child(void (*test)(void), unsigned long unshare_flags)
{
	unsigned int counts[2];
	int ends[2];
	int status = 0;
	pid_t pid;

	must(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0) {
		must(unshare((int)(CLONE_NEWNS | unshare_flags)) == 0, "unshare");
		if ((unshare_flags & CLONE_NEWUSER) == 0)
			must(RUN(open_rootfs, .path = str(ROOT), .slot = NO_SLOT) == 0, "open_rootfs");
		test();
		counts[0] = tap_count;
		counts[1] = tap_failed;
		must(write(ends[1], counts, sizeof(counts)) == (ssize_t)sizeof(counts), "write");
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0, "child");
	must(read(ends[0], counts, sizeof(counts)) == (ssize_t)sizeof(counts), "read");
	tap_count = counts[0];
	tap_failed = counts[1];
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static inline bool file_is(const char *path, const char *text)
{
	char buffer[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer));

	(void)close(fd);
	return length == (ssize_t)strlen(text) && memcmp(buffer, text, strlen(text)) == 0;
}

static inline bool make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	(void)close(fd);
	return done;
}

/* Opening for writing, or making a file in a directory, fails with this errno. */
static inline bool is_read_only(const char *path)
{
	return open(path, O_WRONLY | O_CLOEXEC) < 0 && errno == EROFS;
}

#endif
