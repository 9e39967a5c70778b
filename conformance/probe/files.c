/* Actions on files: what is there, and what may be done with it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json.h"
#include "probe.h"

static void outcome(int result)
{
	if (result < 0) {
		json_errno(errno);
	} else {
		json_key("ok");
		json_number(1);
	}
}

static void read_text(const char *path)
{
	static char text[1 << 17];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t length = 0;
	ssize_t n = 0;

	if (fd < 0) {
		json_errno(errno);
		return;
	}
	while (length < sizeof(text) && (n = read(fd, text + length, sizeof(text) - length)) > 0)
		length += (size_t)n;
	if (n < 0) {
		json_errno(errno);
	} else {
		json_key("text");
		json_bytes(text, length);
	}
	close(fd);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		json_errno(errno);
		return;
	}
	outcome((int)write(fd, text, strlen(text)));
	close(fd);
}

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFCHR:
		return "c";
	case S_IFBLK:
		return "b";
	case S_IFIFO:
		return "p";
	default:
		return "socket";
	}
}

static void describe(const char *path, int flags)
{
	struct stat st;

	if (fstatat(AT_FDCWD, path, &st, flags) < 0) {
		json_errno(errno);
		return;
	}
	json_pair("type", type_name(st.st_mode));
	json_pair_number("mode", st.st_mode & 07777);
	json_pair_number("uid", st.st_uid);
	json_pair_number("gid", st.st_gid);
	json_pair_number("major", major(st.st_rdev));
	json_pair_number("minor", minor(st.st_rdev));
	json_pair_number("size", st.st_size);
	json_pair_number("dev", (long long)st.st_dev);
	json_pair_number("ino", (long long)st.st_ino);
}

static void list_names(const char *path)
{
	DIR *directory = opendir(path);

	if (directory == NULL) {
		json_errno(errno);
		return;
	}
	json_key("names");
	json_open('[');
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			json_string(entry->d_name);
	json_close(']');
	closedir(directory);
}

/* One byte in or out. */
static void transfer(const char *path, const char *direction)
{
	int fd = open(path, (*direction == 'r' ? O_RDONLY : O_WRONLY) | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	char byte = 'x';

	if (fd < 0) {
		json_errno(errno);
		return;
	}
	ssize_t n = *direction == 'r' ? read(fd, &byte, 1) : write(fd, &byte, 1);

	if (n < 0) {
		json_errno(errno);
	} else {
		json_pair_number("ok", n);
		json_pair_number("byte", byte);
	}
	close(fd);
}

/* The file stays: its mode tells the umask. */
static void make_file(const char *path, const char *mode)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, (mode_t)strtol(mode, NULL, 8));

	if (fd < 0) {
		json_errno(errno);
		return;
	}
	close(fd);
	describe(path, AT_SYMLINK_NOFOLLOW);
}

static void make_node(const char *path, const char *type, const char *maj, const char *min)
{
	mode_t mode = (mode_t)((*type == 'b' ? S_IFBLK : *type == 'p' ? S_IFIFO : S_IFCHR) | 0600);
	int result = mknod(path, mode, makedev((unsigned)atoi(maj), (unsigned)atoi(min)));

	outcome(result);
	if (result == 0)
		unlink(path);
}

static void execute(const char *path)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char *const argv[] = { (char *)path, (char *)"exit|0", NULL };

		close(STDOUT_FILENO);
		open("/dev/null", O_WRONLY);
		execve(path, argv, (char *[]){ NULL });
		_exit(errno == EACCES ? 100 : 101);
	}
	waitpid(pid, &status, 0);
	json_pair_number("status", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void read_target(const char *path)
{
	char target[4096];
	ssize_t n = readlink(path, target, sizeof(target));

	if (n < 0) {
		json_errno(errno);
	} else {
		json_key("target");
		json_bytes(target, (size_t)n);
	}
}

static void file_system(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0) {
		json_errno(errno);
		return;
	}
	json_pair_number("magic", (long long)fs.f_type);
	json_pair_number("bytes", (long long)fs.f_blocks * fs.f_bsize);
	json_pair_number("inodes", (long long)fs.f_files);
}

int act_files(const struct action *action)
{
	char *const *field = action->field;

	if (strcmp(field[0], "text") == 0)
		read_text(field[1]);
	else if (strcmp(field[0], "write") == 0)
		write_text(field[1], field[2]);
	else if (strcmp(field[0], "stat") == 0)
		describe(field[1], AT_SYMLINK_NOFOLLOW);
	else if (strcmp(field[0], "follow") == 0)
		describe(field[1], 0);
	else if (strcmp(field[0], "list") == 0)
		list_names(field[1]);
	else if (strcmp(field[0], "io") == 0)
		transfer(field[1], field[2]);
	else if (strcmp(field[0], "make") == 0)
		make_file(field[1], field[2]);
	else if (strcmp(field[0], "mknod") == 0)
		make_node(field[1], field[2], field[3], field[4]);
	else if (strcmp(field[0], "exec") == 0)
		execute(field[1]);
	else if (strcmp(field[0], "link") == 0)
		read_target(field[1]);
	else if (strcmp(field[0], "fs") == 0)
		file_system(field[1]);
	else
		return -1;
	return 0;
}
