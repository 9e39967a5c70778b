/*
 * The last steps of init: NEW_SESSION, CHDIR, FIND_PROGRAM, CLOSE_FDS, EXEC. From SET_USER on they
 * run with the rights of the container's user, so what they may not see is refused by the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "../cleanup.h"
#include "../context.h"
#include "../io.h"
#include "../procfs.h"
#include "../signals.h"
#include "../sys.h"
#include "../vector.h"

#define ROOM	  2048 /* pointers of an argv or envp, HOME and NULL included */
#define HEAD_SIZE 256  /* enough for "#!" lines and ELF headers: src/exec/explain.ts reads them */

int op_new_session(struct context *ctx, const struct op_new_session *op, struct failure *reterr)
{
	(void)ctx;
	(void)op;
	/* EPERM: it leads a process group already, and as the first process of a session that is what was asked. */
	if (setsid() < 0 && (errno != EPERM || getsid(0) != getpid()))
		return FAIL(reterr, "setsid");
	return 0;
}

int op_chdir(struct context *ctx, const struct op_chdir *op, struct failure *reterr)
{
	bool first_try = (op->flags & CHDIR_FIRST_TRY) != 0;
	char where[PATH_MAX];

	if (!ctx->in_cwd && chdir(plan_str(&ctx->plan, op->path)) < 0) {
		/* A directory of the program's user that root of a user namespace may not enter, or one on NFS. */
		if (first_try && (errno == EACCES || errno == EPERM))
			return 0;
		return FAIL(reterr, "chdir");
	}
	ctx->in_cwd = true;
	/* The raw call: the C library hides what we ask for. Outside the root it says "(unreachable)/…". */
	if (syscall(SYS_getcwd, where, sizeof(where)) < 0)
		return FAIL(reterr, "getcwd");
	if (where[0] == '/')
		return 0;
	errno = ENOENT;
	return FAIL_AS(reterr, PROBLEM_UNSAFE_CWD, "getcwd");
}

/*
 * 0, or the errno that execve(2) would give; EISDIR for a directory. A seccomp profile may be loaded already that has
 * not heard of faccessat2(2): real and effective ids are the same by now, so the older call will do. What it forbids as
 * well only execve can tell.
 */
static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return EISDIR;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
		return 0;
	if (errno == EPERM && access(path, X_OK) == 0)
		return 0;
	return errno == EPERM ? 0 : errno;
}

/* The kernel says EACCES for all of these; who asks the record why sees the difference in the name of the call. */
static const char *refusal(const char *path, int error)
{
	struct statvfs fs;
	struct stat st;

	if (error == EISDIR)
		return "S_ISDIR";
	if (error != EACCES)
		return "execve";
	if (stat(path, &st) < 0)
		return "stat"; /* a directory on the way */
	if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOEXEC) != 0)
		return "ST_NOEXEC";
	return (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0 ? "S_IXUSR" : "faccessat";
}

static int not_found(const char *path, int error, struct failure *reterr)
{
	const char *call = refusal(path, error);

	errno = error == EISDIR ? EACCES : error;
	(void)FAIL(reterr, call);
	failure_detail(reterr, path, strlen(path));
	return -1;
}

/* "DIR/file" of one PATH entry; an empty entry is the current directory. */
static int join(char *ret_path, const char *directory, size_t size, const char *file)
{
	size_t length = strlen(file);

	if (size == 0) {
		directory = ".";
		size = 1;
	}
	if (size + length + 2 > PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(ret_path, directory, size);
	ret_path[size] = '/';
	memcpy(ret_path + size + 1, file, length + 1);
	return 0;
}

/* As execvp(3): an entry that may not be executed does not end the search, but is what is reported in the end. */
static int search(const char *file, const char *path, char *ret_program, struct failure *reterr)
{
	int refused = 0;
	char refused_path[PATH_MAX];

	for (const char *at = path;; at++) {
		size_t size = strcspn(at, ":");
		int error = join(ret_program, at, size, file) < 0 ? errno : check_program(ret_program);

		if (error == 0)
			return 0;
		if (refused == 0 && (error == EACCES || error == EISDIR)) {
			refused = error;
			strcpy(refused_path, ret_program);
		}
		at += size;
		if (*at == '\0')
			break;
	}
	return refused != 0 ? not_found(refused_path, refused, reterr) : not_found(file, ENOENT, reterr);
}

int op_find_program(struct context *ctx, const struct op_find_program *op, struct failure *reterr)
{
	const char *file = ctx->args->rest == NULL ? plan_str(&ctx->plan, op->file) : ctx->args->rest[0];
	int error;

	if (file[0] == '\0')
		return not_found(file, ENOENT, reterr);
	if (strchr(file, '/') == NULL)
		return search(file, plan_str(&ctx->plan, op->path), ctx->program, reterr);
	if (strlen(file) >= sizeof(ctx->program))
		return not_found(file, ENAMETOOLONG, reterr);
	error = check_program(file);
	if (error != 0)
		return not_found(file, error, reterr);
	strcpy(ctx->program, file);
	return 0;
}

/*
 * Some descriptors of ours are needed until execve(2), which closes them. The others go now: processes of exec into a
 * created container and startContainer hooks may look into us, and the private procfs has no masked paths. WAIT_START
 * opens the FIFO by the directory of our own descriptors, with calls that old seccomp profiles know.
 */
int op_close_fds(struct context *ctx, const struct op_close_fds *op, struct failure *reterr)
{
	unsigned int first = 3 + (unsigned int)ctx->args->preserve_fds;

	(void)op;
	close_fd(&ctx->cgroup_fd);
	close_fd(&ctx->mask_fd);
	close_fd(&ctx->rootfs_fd);
	if (ctx->fifo_fd >= 0) {
		procfs_narrow(&ctx->proc_fd);
		ctx->self_fds = procfs_openat(ctx->proc_fd, "self/fd", O_PATH | O_DIRECTORY);
		if (ctx->self_fds < 0)
			return FAIL(reterr, "openat2");
	}
	close_fd(&ctx->proc_fd);
	return sys_close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? FAIL(reterr, "close_range") : 0;
}

/* HOME found for the user takes the place of an empty one. */
static void add_home(const char **envp, const char *home)
{
	size_t kept = 0;

	for (size_t i = 0; envp[i] != NULL; i++)
		if (strcmp(envp[i], "HOME=") != 0)
			envp[kept++] = envp[i];
	envp[kept++] = home;
	envp[kept] = NULL;
}

/* What the post-mortem needs: the path, NUL, the first bytes of the file. */
static int report_exec(const char *program, struct failure *reterr)
{
	cleanup_fd int fd = -1;
	char head[HEAD_SIZE];
	struct stat st;
	ssize_t got = 0;

	(void)FAIL(reterr, "execve");
	failure_detail(reterr, program, strlen(program) + 1);
	/* O_NONBLOCK: it may be a FIFO. */
	fd = open(program, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		got = read_upto(fd, head, sizeof(head));
	if (got > 0)
		failure_detail(reterr, head, (size_t)got);
	return -1;
}

/* Without a system call where they fit: after SECCOMP the filter may allow execve(2) and no mmap(2). */
static const char **place(const struct plan *plan, struct plan_strv vector, const char **room)
{
	if (vector.count + 2 > ROOM)
		return vector_map(plan, vector, 1);
	plan_pointers(plan, vector, room);
	return room;
}

int op_exec(struct context *ctx, const struct op_exec *op, struct failure *reterr)
{
	static const char *argv_room[ROOM];
	static const char *envp_room[ROOM];
	char **argv = ctx->args->rest;
	const char **envp = place(&ctx->plan, op->env, envp_room);

	if (argv == NULL)
		argv = (char **)(uintptr_t)place(&ctx->plan, op->args, argv_room);
	if (argv == NULL || envp == NULL)
		return FAIL(reterr, "mmap");
	if (ctx->home[0] != '\0')
		add_home(envp, ctx->home);
	if (!ctx->signals_ready)
		signals_reset();
	(void)execve(ctx->program, argv, (char *const *)(uintptr_t)envp);
	return report_exec(ctx->program, reterr);
}
