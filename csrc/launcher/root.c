/* The root directory: see root.h. */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "io.h"

/* The initial user namespace maps every id to itself: user_namespaces(7). */
static bool in_user_namespace(void)
{
	char text[128];
	char *at = text;

	if (read_file_at(AT_FDCWD, "/proc/self/uid_map", text, sizeof(text)) < 0)
		return errno == EFBIG; /* many ranges; or a kernel without user namespaces */
	return strtoul(at, &at, 10) != 0 || strtoul(at, &at, 10) != 0 || strtoul(at, &at, 10) != UINT32_MAX;
}

static bool is_rootless(void)
{
	const char *user = getenv("USER");

	return geteuid() != 0 || ((user == NULL || strcmp(user, "root") != 0) && in_user_namespace());
}

static const char *default_root(void)
{
	static char path[PATH_MAX];
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");

	if (runtime_dir == NULL || *runtime_dir == '\0' || !is_rootless())
		return "/run/tsrun";
	return snprintf(path, sizeof(path), "%s/tsrun", runtime_dir) < (int)sizeof(path) ? path : "";
}

/* A directory in which others can plant state would give them the runtime's rights. */
static bool is_safe(const char *root)
{
	struct stat st;

	if (lstat(root, &st) < 0)
		return errno == ENOENT;
	return S_ISLNK(st.st_mode) || (S_ISDIR(st.st_mode) && (st.st_uid == geteuid() || (st.st_mode & S_IWOTH) == 0));
}

const char *choose_root(const char *given)
{
	const char *root = given == NULL ? default_root() : given;

	return is_plain_path(root) && is_safe(root) ? root : NULL;
}
