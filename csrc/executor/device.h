/* The few device numbers the executor relies on: Documentation/admin-guide/devices.txt. */
#ifndef TSRUN_DEVICE_H
#define TSRUN_DEVICE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static inline bool is_char_device(const struct stat *st, unsigned int major_number, unsigned int minor_number)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(major_number, minor_number);
}

/* /dev/null, by what it is and not by its name: an image may put anything there (CVE-2025-31133). */
static inline bool is_null_device(const struct stat *st)
{
	return is_char_device(st, 1, 3);
}

/* The pty multiplexer of a devpts. */
static inline bool is_ptmx_device(const struct stat *st)
{
	return is_char_device(st, 5, 2);
}

#endif
