/* File system contexts: see fscontext.h. */
#include "fscontext.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "mounting.h"
#include "sys.h"

#define OPTION_KEY_MAX 256 /* fs/fsopen.c copies keys of up to 256 bytes */

/* fs/fs_context.c, common_set_sb_flag. */
static const struct {
	uint32_t flag;
	const char *key;
} SB_FLAGS[] = {
	{ MS_RDONLY, "ro" },
	{ MS_SYNCHRONOUS, "sync" },
	{ MS_DIRSYNC, "dirsync" },
	{ MS_MANDLOCK, "mand" },
	{ MS_LAZYTIME, "lazytime" },
};

/* Each read(2) of the context is one message; ENODATA: no more. */
static int fail_with_log(int fs, const char *call, const char *option, int line, struct failure *reterr)
{
	char message[512];
	ssize_t length;

	(void)failure_set(reterr, PROBLEM_SYSCALL, call, line);
	failure_detail(reterr, option, strlen(option));
	while ((length = read(fs, message, sizeof(message))) > 0) {
		failure_detail(reterr, "\n", 1);
		if (message[length - 1] == '\n')
			length--;
		failure_detail(reterr, message, (size_t)length);
	}
	return -1;
}

int fscontext_option(int fs, const char *option, struct failure *reterr)
{
	const char *equals = strchr(option, '=');
	size_t length = equals == NULL ? strlen(option) : (size_t)(equals - option);
	char key[OPTION_KEY_MAX];
	unsigned int command = equals == NULL ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;

	if (length >= sizeof(key)) {
		errno = ENAMETOOLONG;
		return FAIL(reterr, "fsconfig");
	}
	memcpy(key, option, length);
	key[length] = '\0';
	if (sys_fsconfig(fs, command, key, equals == NULL ? NULL : equals + 1, 0) < 0)
		return fail_with_log(fs, "fsconfig", option, __LINE__, reterr);
	return 0;
}

int fscontext_options(int fs, const struct plan *plan, struct plan_strv options, struct failure *reterr)
{
	const char *option = plan_str(plan, options.offset);

	for (uint32_t i = 0; i < options.count; i++) {
		if (fscontext_option(fs, option, reterr) < 0)
			return -1;
		option = plan_next(option);
	}
	return 0;
}

int fscontext_sb_flags(int fs, uint32_t sb_flags, struct failure *reterr)
{
	for (size_t i = 0; i < sizeof(SB_FLAGS) / sizeof(SB_FLAGS[0]); i++) {
		if ((sb_flags & SB_FLAGS[i].flag) == 0)
			continue;
		if (fscontext_option(fs, SB_FLAGS[i].key, reterr) < 0)
			return -1;
	}
	return 0;
}

int fscontext_command(int fs, unsigned int command, struct failure *reterr)
{
	if (sys_fsconfig(fs, command, NULL, NULL, 0) < 0)
		return fail_with_log(fs, "fsconfig", "", __LINE__, reterr);
	return 0;
}

int fscontext_mount(int fs, uint64_t attributes, struct failure *reterr)
{
	int fd = sys_fsmount(fs, FSMOUNT_CLOEXEC, (unsigned int)attributes);

	return fd < 0 ? fail_with_log(fs, "fsmount", "", __LINE__, reterr) : fd;
}

/* Mode and owner of the directory it covers. They come before the options, so a given uid= wins. */
static int inherit_mode(int fs, int target, struct failure *reterr)
{
	char option[32];
	struct stat st;

	if (fstat(target, &st) < 0)
		return FAIL(reterr, "fstat");
	(void)snprintf(option, sizeof(option), "mode=%o", st.st_mode & 07777u);
	if (fscontext_option(fs, option, reterr) < 0)
		return -1;
	(void)snprintf(option, sizeof(option), "uid=%u", st.st_uid);
	if (st.st_uid != OVERFLOW_ID && fscontext_option(fs, option, reterr) < 0)
		return -1;
	(void)snprintf(option, sizeof(option), "gid=%u", st.st_gid);
	if (st.st_gid != OVERFLOW_ID && fscontext_option(fs, option, reterr) < 0)
		return -1;
	return 0;
}

int fscontext_make(const struct plan *plan, const struct new_fs *request, struct failure *reterr)
{
	cleanup_fd int fs = sys_fsopen(request->type, FSOPEN_CLOEXEC);

	if (fs < 0)
		return FAIL(reterr, "fsopen");
	if (request->source[0] != '\0' && sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", request->source, 0) < 0)
		return FAIL(reterr, "fsconfig");
	if (request->like >= 0 && inherit_mode(fs, request->like, reterr) < 0)
		return -1;
	if (fscontext_options(fs, plan, request->options, reterr) < 0)
		return -1;
	if (fscontext_sb_flags(fs, request->sb_flags, reterr) < 0)
		return -1;
	if (fscontext_command(fs, FSCONFIG_CMD_CREATE, reterr) < 0)
		return -1;
	return fscontext_mount(fs, request->attributes, reterr);
}
