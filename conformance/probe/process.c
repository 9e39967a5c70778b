/* Actions about the process itself: identity, limits, scheduling, descriptors, single system calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "probe.h"

static void list(const char *key, char **texts)
{
	json_key(key);
	json_open('[');
	for (; texts != NULL && *texts != NULL; texts++)
		json_string(*texts);
	json_close(']');
}

static void identity(void)
{
	struct utsname names;
	gid_t groups[1024];
	int count = getgroups(1024, groups);
	mode_t mask = umask(0);
	char cwd[4096];

	umask(mask);
	uname(&names);
	list("args", probe_argv);
	list("env", environ);
	json_pair("cwd", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "");
	json_pair_number("pid", getpid());
	json_pair_number("ppid", getppid());
	json_pair_number("uid", getuid());
	json_pair_number("gid", getgid());
	json_pair_number("euid", geteuid());
	json_pair_number("egid", getegid());
	json_pair_number("umask", mask);
	json_key("groups");
	json_open('[');
	for (int i = 0; i < count; i++)
		json_number(groups[i]);
	json_close(']');
	json_pair("nodename", names.nodename);
	json_pair("domainname", names.domainname);
	json_pair("machine", names.machine);
}

static void limits(void)
{
	static const char *const names[] = { "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK",
		"AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct rlimit limit;

		getrlimit((enum __rlimit_resource)i, &limit);
		json_key(names[i]);
		json_open('[');
		json_number((long long)limit.rlim_cur);
		json_number((long long)limit.rlim_max);
		json_close(']');
	}
}

static void descriptors(void)
{
	json_key("open");
	json_open('[');
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			json_number(fd);
	json_close(']');
}

static void terminal(int fd)
{
	struct winsize size = { 0 };
	struct stat st = { 0 };

	json_pair_number("tty", isatty(fd));
	ioctl(fd, TIOCGWINSZ, &size);
	fstat(fd, &st);
	json_pair_number("rows", size.ws_row);
	json_pair_number("columns", size.ws_col);
	json_pair_number("rdev", (long long)st.st_rdev);
}

/* sched_getattr(2); glibc has no wrapper here. */
static void scheduling(void)
{
	struct {
		unsigned size, policy;
		unsigned long long flags;
		int nice;
		unsigned priority;
		unsigned long long runtime, deadline, period;
	} attr = { 0 };
	cpu_set_t cpus;

	syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0);
	json_pair_number("policy", attr.policy);
	json_pair_number("flags", (long long)attr.flags);
	json_pair_number("nice", attr.nice);
	json_pair_number("priority", attr.priority);
	json_pair_number("runtime", (long long)attr.runtime);
	json_pair_number("deadline", (long long)attr.deadline);
	json_pair_number("period", (long long)attr.period);
	json_pair_number("ioprio", syscall(SYS_ioprio_get, 1, 0));
	sched_getaffinity(0, sizeof(cpus), &cpus);
	json_key("cpus");
	json_open('[');
	for (size_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &cpus))
			json_number((long long)i);
	json_close(']');
	json_pair_number("personality", personality(0xffffffff));
}

static void memory_policy(void)
{
	int mode = -1;
	unsigned long nodes[16] = { 0 };

	if (syscall(SYS_get_mempolicy, &mode, nodes, 1024UL, 0, 0) < 0)
		json_errno(errno);
	json_pair_number("mode", mode);
	json_pair_number("nodes", (long long)nodes[0]);
}

static void clocks(void)
{
	struct timespec monotonic, boottime;

	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_BOOTTIME, &boottime);
	json_pair_number("monotonic", monotonic.tv_sec);
	json_pair_number("boottime", boottime.tv_sec);
}

static long call(const struct action *action)
{
	long argument[6] = { 0 };

	for (int i = 0; i < 6 && i + 2 < action->count; i++)
		argument[i] = (long)strtoull(action->field[i + 2], NULL, 0);
	return syscall(atol(action->field[1]), argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}

/* In a child, which a filter may kill. */
static void try_call(const struct action *action)
{
	int pipes[2];
	long answer[2] = { 0, 0 };
	int status;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		json_errno(errno);
		return;
	}
	if (pid == 0) {
		answer[0] = call(action);
		answer[1] = answer[0] < 0 ? errno : 0;
		_exit(write(pipes[1], answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
	}
	close(pipes[1]);
	if (read(pipes[0], answer, sizeof(answer)) == sizeof(answer)) {
		if (answer[0] < 0)
			json_errno((int)answer[1]);
		else
			json_pair_number("ok", answer[0]);
	}
	close(pipes[0]);
	waitpid(pid, &status, 0);
	json_pair_number("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void interfaces(void)
{
	struct ifaddrs *all = NULL;

	getifaddrs(&all);
	json_key("interfaces");
	json_open('[');
	for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
		char address[64] = "";

		if (one->ifa_addr != NULL && one->ifa_addr->sa_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)one->ifa_addr)->sin_addr, address, sizeof(address));
		json_open('{');
		json_pair("name", one->ifa_name);
		json_pair("address", address);
		json_pair_number("up", (one->ifa_flags & IFF_UP) != 0);
		json_close('}');
	}
	json_close(']');
	freeifaddrs(all);
}

int act_process(const struct action *action)
{
	char *const *field = action->field;

	if (strcmp(field[0], "self") == 0)
		identity();
	else if (strcmp(field[0], "limits") == 0)
		limits();
	else if (strcmp(field[0], "fds") == 0)
		descriptors();
	else if (strcmp(field[0], "tty") == 0)
		terminal(atoi(field[1]));
	else if (strcmp(field[0], "sched") == 0)
		scheduling();
	else if (strcmp(field[0], "mempolicy") == 0)
		memory_policy();
	else if (strcmp(field[0], "clock") == 0)
		clocks();
	else if (strcmp(field[0], "try") == 0)
		try_call(action);
	else if (strcmp(field[0], "net") == 0)
		interfaces();
	else
		return -1;
	return 0;
}
