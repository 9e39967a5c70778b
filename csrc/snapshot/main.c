/*
 * tsrun-snapshot: what has to be done to trees of files. src/snapshot/ decides what; see stream.h for how trees travel.
 *
 *   unpack STATUS DIRECTORY layer|apply     entry stream from stdin; "apply": whiteouts remove
 *   pack STATUS tree|layer|metadata DIRECTORY...   entry stream to stdout; several are shown as one by overlayfs;
 *                                           metadata: as layer, without what files hold
 *   paths STATUS DIRECTORY...               the same for the paths on stdin, each ended by NUL
 *   read STATUS PATH LIMIT DIRECTORY...     a regular file of at most LIMIT bytes, to stdout
 *   remove STATUS DIRECTORY NAME            a tree in DIRECTORY
 *   sync STATUS DIRECTORY                   its file system
 *   mount STATUS TARGET TYPE DIRECTORY OPTIONS     mount(2) by relative names from DIRECTORY; bind: DIRECTORY itself
 *   unmount STATUS TARGET
 *   volume STATUS TARGET TYPE DEVICE FLAGS DATA    mount(2)
 *   subpath STATUS TARGET DIRECTORY SUBPATH     bind of a path below DIRECTORY
 *   stat STATUS PATH VIEW, get STATUS PATH VIEW    one path, as entry stream to stdout (archive.h)
 *   put STATUS VIEW                         entry stream from stdin, as unpack apply
 *   directory STATUS PATH VIEW              made, 0755, with what is missing on the way
 *   discard TARGET (DIRECTORY NAME)...      unmount, then remove: a poststop hook, which has no status to write
 *   enter UIDS GIDS NEWUIDMAP NEWGIDMAP PROGRAM...   becomes PROGRAM as root of a user namespace (userns.h); no status
 *   hold RECORD UIDS GIDS NEWUIDMAP NEWGIDMAP PROGRAM...   the same, in one that stays (holder.h)
 *
 * VIEW: see parse_view(). The answer is records on the descriptor STATUS, as the executor's (failure.h). Static,
 * single-threaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive.h"
#include "cleanup.h"
#include "confine.h"
#include "holder.h"
#include "io.h"
#include "mounts.h"
#include "pack.h"
#include "remove.h"
#include "saferoot.h"
#include "sys.h"
#include "unpack.h"
#include "userns.h"

struct arguments {
	int status_fd;
	int count; /* of what follows STATUS */
	char **all;
};

static int usage(struct failure *reterr)
{
	errno = EINVAL;
	return FAIL_AS(reterr, PROBLEM_USAGE, "main");
}

static int run_unpack(const struct arguments *args, struct failure *reterr)
{
	const struct view view = { .directories = args->all, .count = 1 };
	cleanup_fd int root = confine(&view, args->status_fd, reterr);

	if (root < 0)
		return -1;
	return unpack(root, STDIN_FILENO, args->status_fd, strcmp(args->all[1], "apply") == 0, reterr);
}

static int run_pack(const struct arguments *args, struct failure *reterr)
{
	const struct view view = { .directories = args->all + 1, .count = args->count - 1, .read_only = true };
	const struct pack_options options = {
		.layer_form = strcmp(args->all[0], "tree") != 0,
		.metadata = strcmp(args->all[0], "metadata") == 0,
	};
	cleanup_fd int root = confine(&view, args->status_fd, reterr);

	return root < 0 ? -1 : pack(root, STDOUT_FILENO, &options, reterr);
}

/* TARGET DIRECTORY SUBPATH: a bind of what SUBPATH is below DIRECTORY, at TARGET, which is made as its kind asks. */
static int run_subpath(const struct arguments *args, struct failure *reterr)
{
	return bind_subpath(args->all[0], args->all[1], args->all[2], reterr);
}

#define NAMESPACE_FD 4

/* namespace | snapshot TARGET TYPE DIRECTORY OPTIONS (SOURCE DESTINATION ro|rw)... | tree DIRECTORY... */
static bool parse_view(char **words, int count, struct view *ret_view)
{
	*ret_view = (struct view){ 0 };
	if (count < 1)
		return false;
	if (strcmp(words[0], "namespace") == 0) {
		ret_view->namespace_fd = NAMESPACE_FD;
		return count == 1;
	}
	if (strcmp(words[0], "snapshot") == 0) {
		ret_view->snapshot = words + 1;
		ret_view->snapshot_count = count - 1;
		return count >= 5 && (count - 5) % 3 == 0;
	}
	ret_view->directories = words + 1;
	ret_view->count = count - 1;
	return strcmp(words[0], "tree") == 0 && count > 1;
}

static int run_archive(const struct arguments *args, bool only_stat, struct failure *reterr)
{
	struct view view;
	cleanup_fd int root = -1;

	if (!parse_view(args->all + 1, args->count - 1, &view))
		return usage(reterr);
	view.read_only = true;
	root = confine(&view, args->status_fd, reterr);
	if (root < 0)
		return -1;
	return only_stat ? archive_stat(root, args->all[0], STDOUT_FILENO, reterr)
			 : archive_get(root, args->all[0], STDOUT_FILENO, reterr);
}

static int run_stat(const struct arguments *args, struct failure *reterr)
{
	return run_archive(args, true, reterr);
}

static int run_get(const struct arguments *args, struct failure *reterr)
{
	return run_archive(args, false, reterr);
}

static int run_put(const struct arguments *args, struct failure *reterr)
{
	struct view view;
	cleanup_fd int root = -1;

	if (!parse_view(args->all, args->count, &view))
		return usage(reterr);
	root = confine(&view, args->status_fd, reterr);
	return root < 0 ? -1 : unpack(root, STDIN_FILENO, args->status_fd, true, reterr);
}

static int run_directory(const struct arguments *args, struct failure *reterr)
{
	struct view view;
	cleanup_fd int root = -1;
	cleanup_fd int made = -1;

	if (!parse_view(args->all + 1, args->count - 1, &view))
		return usage(reterr);
	root = confine(&view, args->status_fd, reterr);
	if (root < 0)
		return -1;
	(void)umask(0);
	made = saferoot_mkdir(root, args->all[0], 0755);
	return made < 0 ? FAIL(reterr, "mkdirat") : 0;
}

static int run_paths(const struct arguments *args, struct failure *reterr)
{
	const struct view view = { .directories = args->all, .count = args->count, .read_only = true };
	cleanup_fd int root = confine(&view, args->status_fd, reterr);

	return root < 0 ? -1 : pack_paths(root, STDIN_FILENO, STDOUT_FILENO, reterr);
}

static int copy_out(int fd, off_t limit, struct failure *reterr)
{
	static char block[1u << 16];
	ssize_t got;

	while ((got = read_upto(fd, block, sizeof(block))) > 0) {
		limit -= got;
		if (limit < 0) {
			errno = EFBIG; /* it has grown */
			return FAIL(reterr, "read");
		}
		if (write_all(STDOUT_FILENO, block, (size_t)got) < 0)
			return FAIL(reterr, "write");
	}
	return got < 0 ? FAIL(reterr, "read") : 0;
}

/* CVE-2026-47262: /etc/passwd of an image may be a FIFO, a device, or larger than memory. */
static int run_read(const struct arguments *args, struct failure *reterr)
{
	const struct view view = { .directories = args->all + 2, .count = args->count - 2, .read_only = true };
	cleanup_fd int root = confine(&view, args->status_fd, reterr);
	cleanup_fd int fd = -1;
	off_t limit = atoll(args->all[1]);
	struct stat st;

	if (root < 0)
		return -1;
	fd = saferoot_open(root, args->all[0], O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return FAIL(reterr, "openat2");
	errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
	if (!S_ISREG(st.st_mode) || st.st_size > limit)
		return FAIL(reterr, "openat2");
	return copy_out(fd, limit, reterr);
}

static int remove_confined(char *directory, const char *name, int status_fd, struct failure *reterr)
{
	const struct view view = { .directories = &directory, .count = 1 };
	cleanup_fd int root = confine(&view, status_fd, reterr);

	if (root < 0)
		return -1;
	return remove_tree(root, name) < 0 && errno != ENOENT ? FAIL(reterr, "unlinkat") : 0;
}

static int run_remove(const struct arguments *args, struct failure *reterr)
{
	return remove_confined(args->all[0], args->all[1], args->status_fd, reterr);
}

static int run_sync(const struct arguments *args, struct failure *reterr)
{
	cleanup_fd int fd = open(args->all[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return FAIL(reterr, "open");
	return syncfs(fd) < 0 ? FAIL(reterr, "syncfs") : 0;
}

static int run_mount(const struct arguments *args, struct failure *reterr)
{
	return mount_relative(args->all, reterr);
}

/* TARGET TYPE DEVICE FLAGS DATA: a volume of the driver "local"; mount(2) ignores other flags beside MS_BIND. */
static int run_volume(const struct arguments *args, struct failure *reterr)
{
	char *const *all = args->all;
	unsigned long flags = strtoul(all[3], NULL, 10);
	unsigned long again = MS_BIND | MS_REMOUNT | (flags & ~(unsigned long)MS_REC);

	if (mount(all[2], all[0], all[1], flags, all[4]) < 0)
		return FAIL(reterr, "mount");
	if ((flags & MS_BIND) == 0 || (flags & ~(unsigned long)(MS_BIND | MS_REC)) == 0)
		return 0;
	if (mount(NULL, all[0], NULL, again, NULL) == 0)
		return 0;
	(void)FAIL(reterr, "mount");
	(void)umount2(all[0], MNT_DETACH | UMOUNT_NOFOLLOW);
	return -1;
}

static int run_unmount(const struct arguments *args, struct failure *reterr)
{
	return umount2(args->all[0], MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? FAIL(reterr, "umount2") : 0;
}

/* Confinement cannot be undone: each tree is removed by a process of its own. */
static int remove_in_child(char *directory, const char *name)
{
	struct failure failure;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(remove_confined(directory, name, -1, &failure) < 0 ? 1 : 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return status == 0 ? 0 : 1;
}

/* What cannot be removed is left to the next `image prune`. A hook's stdin is the container's state: not needed. */
static int discard(int argc, char **argv)
{
	int failed = 0;

	if (umount2(argv[0], MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return 1;
	for (int i = 1; i + 1 < argc; i += 2)
		failed |= remove_in_child(argv[i], argv[i + 1]);
	return failed;
}

static const struct verb {
	const char *name;
	int least; /* arguments */
	int most;  /* 0: any number */
	int (*run)(const struct arguments *args, struct failure *reterr);
} VERBS[] = {
	{ "unpack", 2, 2, run_unpack },
	{ "pack", 2, 0, run_pack },
	{ "paths", 1, 0, run_paths },
	{ "read", 3, 0, run_read },
	{ "remove", 2, 2, run_remove },
	{ "sync", 1, 1, run_sync },
	{ "mount", 4, 4, run_mount },
	{ "unmount", 1, 1, run_unmount },
	{ "volume", 5, 5, run_volume },
	{ "subpath", 3, 3, run_subpath },
	{ "stat", 2, 0, run_stat },
	{ "get", 2, 0, run_get },
	{ "put", 1, 0, run_put },
	{ "directory", 2, 0, run_directory },
};

static int run(const char *name, const struct arguments *args, struct failure *reterr)
{
	for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
		const struct verb *verb = &VERBS[i];

		if (strcmp(name, verb->name) != 0)
			continue;
		if (args->count < verb->least || (verb->most > 0 && args->count > verb->most))
			break;
		return verb->run(args, reterr);
	}
	return usage(reterr);
}

int main(int argc, char **argv)
{
	static struct failure verdict;
	struct arguments args = { .count = argc - 3, .all = argv + 3 };
	int result;

	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "discard") == 0)
		return discard(argc - 2, argv + 2);
	if (strcmp(argv[1], "enter") == 0 && argc > 6) {
		enter_user_namespace(argv + 2);
		return 127;
	}
	if (strcmp(argv[1], "hold") == 0 && argc > 7) {
		enter_held_namespaces(argv + 2);
		return 127;
	}
	args.status_fd = atoi(argv[2]);
	(void)signal(SIGPIPE, SIG_IGN);
	/* Nobody would take the answer. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	result = run(argv[1], &args, &verdict);
	if (result == 0)
		verdict = (struct failure){ .magic = FAILURE_MAGIC };
	(void)write_all(args.status_fd, &verdict, sizeof(verdict));
	return result < 0 ? 1 : 0;
}
