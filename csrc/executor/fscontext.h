/*
 * File system contexts (fsopen(2), fsconfig(2), fsmount(2)). A failure carries as detail the option it
 * is about (empty for none) and then what the kernel logged in the context, a line each:
 * "e tmpfs: Bad value for 'size'".
 */
#ifndef TSRUN_FSCONTEXT_H
#define TSRUN_FSCONTEXT_H

#include <stdint.h>

#include "failure.h"
#include "plan.h"

/* "key=value" or "key". */
int fscontext_option(int fs, const char *option, struct failure *reterr);
int fscontext_options(int fs, const struct plan *plan, struct plan_strv options, struct failure *reterr);

/* Superblock flags by MS_* value: those that the VFS knows by name; MS_SILENT and the like have none. */
int fscontext_sb_flags(int fs, uint32_t sb_flags, struct failure *reterr);

/* command: FSCONFIG_CMD_CREATE or FSCONFIG_CMD_RECONFIGURE. */
int fscontext_command(int fs, unsigned int command, struct failure *reterr);

/* The detached mount, or -1. attributes: MOUNT_ATTR_*. */
int fscontext_mount(int fs, uint64_t attributes, struct failure *reterr);

struct new_fs {
	const char *type;
	const char *source; /* may be empty */
	struct plan_strv options;
	uint32_t sb_flags;
	uint64_t attributes; /* MOUNT_ATTR_* */
	int like;	     /* a directory whose mode and owner a tmpfs is to have, or -1 */
};

/* From fsopen(2) to a detached mount. fd, or -1. */
int fscontext_make(const struct plan *plan, const struct new_fs *request, struct failure *reterr);

#endif
