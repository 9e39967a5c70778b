/*
 * The host as a text: cheap to make, and never the same for two hosts that a compile would tell apart. What the boot id
 * covers (kernel, its modules of security, seccomp actions) is not read. Each line is for a fact of src/host/probe.ts.
 */
#include "host.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cleanup.h"
#include "io.h"

#define CGROUP_ROOT	 "/sys/fs/cgroup"
#define INITIAL_CGROUPNS 0xEFFFFFFBu /* PROC_CGROUP_INIT_INO of linux/proc_ns.h */

void grow(struct growing *text, const char *format, ...)
{
	size_t left = text->room - text->size;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text->at + text->size, left, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= left)
		text->full = true;
	else
		text->size += (size_t)length;
}

static int read_text(const char *path, char *buffer, size_t size)
{
	return read_file_at(AT_FDCWD, path, buffer, size) < 0 ? -1 : 0;
}

/* Root of the machine: anybody else's facts have more parts. user_namespaces(7). */
static int check_user(void)
{
	unsigned int inside;
	unsigned int outside;
	unsigned int count;
	char map[128];

	if (geteuid() != 0 || read_text("/proc/self/uid_map", map, sizeof(map)) < 0)
		return -1;
	if (sscanf(map, "%u %u %u", &inside, &outside, &count) != 3)
		return -1;
	return inside == 0 && outside == 0 && count == UINT32_MAX ? 0 : -1;
}

/* Sets of capabilities. A seccomp filter could make any probe of the kernel end in any way. */
static int describe_rights(struct growing *text)
{
	char status[8192];
	char *save;

	if (read_text("/proc/self/status", status, sizeof(status)) < 0)
		return -1;
	if (strstr(status, "\nSeccomp:\t0\n") == NULL)
		return -1;
	for (char *line = strtok_r(status, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "Cap", 3) == 0 || strncmp(line, "NoNewPrivs", 10) == 0)
			grow(text, "%s\n", line);
	grow(text, "gid %u\n", getegid());
	return 0;
}

static int describe_kernel(struct growing *text)
{
	struct utsname name;
	char boot[64];

	if (uname(&name) < 0 || read_text("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) < 0)
		return -1;
	grow(text, "kernel %s %s\nboot %s", name.release, name.machine, boot);
	return 0;
}

static void describe_limits(struct growing *text)
{
	struct rlimit limit;

	grow(text, "limits");
	for (int resource = 0; resource < (int)RLIM_NLIMITS; resource++)
		if (getrlimit(resource, &limit) == 0)
			grow(text, " %llu", (unsigned long long)limit.rlim_max);
	grow(text, "\n");
}

/* What is constant from boot to boot, if it can be seen here at all. */
static void describe_signs(struct growing *text)
{
	static const char *const signs[] = {
		"/proc/sys/kernel/seccomp/actions_avail",
		"/sys/kernel/mm/hugepages",
		"/sys/kernel/security/lsm",
		"/sys/module/apparmor/parameters/enabled",
		"/sys/fs/selinux/enforce",
		"/run/systemd/system",
	};

	grow(text, "signs ");
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		grow(text, "%d", access(signs[i], R_OK) == 0);
	grow(text, "\n");
}

/* What is seen at a mount point, which may be covered, and whether it can be written to. */
static void describe_place(struct growing *text, const char *point)
{
	char path[PATH_MAX];
	char controllers[1024];
	struct statfs fs = { 0 };
	struct stat st = { 0 };

	(void)stat(point, &st);
	(void)statfs(point, &fs);
	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", point);
	if (read_text(path, controllers, sizeof(controllers)) < 0)
		controllers[0] = '\0';
	grow(text, "at %s %llu %llu %llx %lx %s\n", point, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
		(unsigned long long)fs.f_flags, (unsigned long)fs.f_type, controllers);
}

/* "ID PARENT DEV ROOT POINT … - TYPE SOURCE OPTIONS": proc(5). Ids say nothing about what is where. */
static void describe_mount(struct growing *text, char *line)
{
	char point[PATH_MAX];
	int root = 0;

	if (strstr(line, " - cgroup") == NULL)
		return;
	/* A name with a space is written with a backslash. */
	if (sscanf(line, "%*s %*s %*s %n%*s %4095s", &root, point) != 1 || strchr(point, '\\') != NULL) {
		text->full = true;
		return;
	}
	grow(text, "mount %s\n", line + root);
	describe_place(text, point);
}

/* The table may be long: only whole lines, a buffer at a time. */
static int describe_mounts(struct growing *text)
{
	static char buffer[65536];
	cleanup_fd int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t kept = 0;
	ssize_t got;

	if (fd < 0)
		return -1;
	while ((got = read(fd, buffer + kept, sizeof(buffer) - 1 - kept)) > 0) {
		char *line = buffer;
		char *end;

		kept += (size_t)got;
		buffer[kept] = '\0';
		while ((end = strchr(line, '\n')) != NULL) {
			*end = '\0';
			describe_mount(text, line);
			line = end + 1;
		}
		kept -= (size_t)(line - buffer);
		memmove(buffer, line, kept);
	}
	return got < 0 || kept > 0 ? -1 : 0;
}

/*
 * On a host of cgroup2 alone, with that at its usual place, the table of mounts, which grows with every container, has
 * nothing to add. A cgroup namespace would show the same place under other names.
 */
static bool is_unified(const char *own)
{
	const char *end = strchr(own, '\n');
	struct statfs fs;
	struct stat st;

	if (strncmp(own, "0::/", 4) != 0 || end == NULL || end[1] != '\0')
		return false;
	if (statfs(CGROUP_ROOT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return false;
	return stat("/proc/self/ns/cgroup", &st) == 0 && st.st_ino == INITIAL_CGROUPNS;
}

static int describe_cgroups(struct growing *text)
{
	char own[16384];

	if (read_text("/proc/self/cgroup", own, sizeof(own)) < 0)
		return -1;
	grow(text, "%s", own);
	if (!is_unified(own))
		return describe_mounts(text);
	describe_place(text, CGROUP_ROOT);
	return 0;
}

/* What src/host/systemd.ts reads for root: the version is in a library's name, which its directory's time stands for.
 */
int host_describe_systemd(struct growing *text)
{
	static const char *const libraries[] = { "/usr/lib/systemd", "/lib/systemd", "/usr/lib64/systemd" };
	char own[16384];
	char drivers[16384];

	if (read_text("/proc/1/cgroup", own, sizeof(own)) < 0 ||
		read_text("/proc/devices", drivers, sizeof(drivers)) < 0)
		return -1;
	grow(text, "%s%s", own, drivers);
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		struct stat st = { 0 };

		(void)stat(libraries[i], &st);
		grow(text, "systemd %llu %llu %lld.%09ld\n", (unsigned long long)st.st_dev,
			(unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	}
	return text->full ? -1 : 0;
}

int host_describe(struct growing *text)
{
	if (check_user() < 0 || describe_kernel(text) < 0 || describe_rights(text) < 0)
		return -1;
	describe_limits(text);
	describe_signs(text);
	return describe_cgroups(text) < 0 || text->full ? -1 : 0;
}
