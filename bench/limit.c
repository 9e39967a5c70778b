/*
 * limit ROOTFS CGROUP PROGRAM: what the kernel itself takes for a default container, and nothing else: one clone3 with
 * the namespaces, into a new cgroup; the mounts; pivot_root; execve. No check, no state, no message. Waits, removes the
 * cgroup.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct entry {
	const char *source, *target, *type;
	unsigned long flags;
	const char *data;
};

#define SAFE (MS_NOSUID | MS_NOEXEC | MS_NODEV)

static const struct entry MOUNTS[] = {
	{ "proc", "proc", "proc", 0, NULL },
	{ "tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k" },
	{ "devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620" },
	{ "shm", "dev/shm", "tmpfs", SAFE, "mode=1777,size=65536k" },
	{ "mqueue", "dev/mqueue", "mqueue", SAFE, NULL },
	{ "sysfs", "sys", "sysfs", SAFE | MS_RDONLY, NULL },
	{ "cgroup", "sys/fs/cgroup", "cgroup2", SAFE | MS_RDONLY, NULL },
};

static _Noreturn void container(const char *rootfs, char **argv)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(rootfs) < 0)
		_exit(120);
	for (size_t i = 0; i < sizeof(MOUNTS) / sizeof(MOUNTS[0]); i++) {
		const struct entry *entry = &MOUNTS[i];

		(void)mkdir(entry->target, 0755);
		if (mount(entry->source, entry->target, entry->type, entry->flags, entry->data) < 0)
			_exit(121);
	}
	if (sethostname("limit", 5) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
		chdir("/") < 0)
		_exit(122);
	(void)execv(argv[0], argv);
	_exit(123);
}

int main(int argc, char **argv)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	int status;

	if (argc < 4 || mkdir(argv[2], 0755) < 0)
		return 2;
	args.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
		     CLONE_INTO_CGROUP;
	args.cgroup = (uint64_t)open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		container(argv[1], argv + 3);
	if (pid < 0 || waitpid((pid_t)pid, &status, 0) < 0)
		return 1;
	(void)rmdir(argv[2]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
