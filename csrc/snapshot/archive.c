/* See archive.h. By descriptors: the tree may belong to a container that runs (CVE-2018-15664, CVE-2026-17106). */
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "pack.h"
#include "saferoot.h"

/* A directory that was found, and a name in it; "." is the directory itself. */
struct place {
	int directory;
	const char *name;
};

/* Cuts path: what is left of it names the directory. */
static int locate(int root_fd, char *path, struct place *ret, struct failure *reterr)
{
	size_t length = strlen(path);
	bool whole = false;
	char *slash;

	while (length > 0 &&
		(path[length - 1] == '/' || (path[length - 1] == '.' && (length == 1 || path[length - 2] == '/')))) {
		whole = true;
		path[--length] = '\0';
	}
	slash = whole || length == 0 ? NULL : strrchr(path, '/');
	ret->name = whole || length == 0 ? "." : slash == NULL ? path : slash + 1;
	if (strcmp(ret->name, "..") == 0)
		ret->name = ".";
	else if (slash != NULL)
		*slash = '\0';
	else if (!whole)
		path = "";
	ret->directory = saferoot_open(root_fd, path[0] == '\0' ? "." : path, O_RDONLY | O_DIRECTORY);
	return ret->directory < 0 ? FAIL(reterr, "openat2") : 0;
}

/* Where a directory is: the root is all there is, so getcwd(2) says it as the container would. */
static int whereabouts(int directory, char ret_path[PATH_MAX], struct failure *reterr)
{
	if (fchdir(directory) < 0)
		return FAIL(reterr, "fchdir");
	return getcwd(ret_path, PATH_MAX) == NULL ? FAIL(reterr, "getcwd") : 0;
}

int archive_stat(int root_fd, char *path, int stream_fd, struct failure *reterr)
{
	static char where[PATH_MAX * 2];
	struct place place = { .directory = -1 };
	cleanup_fd int directory = -1;
	size_t length;

	if (locate(root_fd, path, &place, reterr) < 0)
		return -1;
	directory = place.directory;
	if (whereabouts(directory, where, reterr) < 0)
		return -1;
	length = strlen(where);
	if (strcmp(place.name, ".") != 0) {
		if (where[length - 1] != '/')
			where[length++] = '/';
		memcpy(where + length, place.name, strlen(place.name) + 1);
	}
	return pack_description(directory, place.name, where[1] == '\0' ? "." : where + 1, stream_fd, reterr);
}

int archive_get(int root_fd, char *path, int stream_fd, struct failure *reterr)
{
	struct place place = { .directory = -1 };
	cleanup_fd int directory = -1;

	if (locate(root_fd, path, &place, reterr) < 0)
		return -1;
	directory = place.directory;
	return pack_one(directory, place.name, stream_fd, reterr);
}
