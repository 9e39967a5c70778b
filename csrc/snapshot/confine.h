/* Before a tree of files is touched: it becomes all that this process can reach. */
#ifndef TSRUN_SNAPSHOT_CONFINE_H
#define TSRUN_SNAPSHOT_CONFINE_H

#include <stdbool.h>

#include "failure.h"

/* The tree to work on: one directory, or several that overlayfs shows as one, the uppermost first. */
struct view {
	char **directories;
	int count;
	bool read_only;
};

/*
 * Own mount, network and IPC namespaces; the view is "/" and nothing else is mounted; only the capabilities that
 * owners, modes, devices and attributes of files take; no descriptor but stdio and status_fd. root fd, or -1.
 */
int confine(const struct view *view, int status_fd, struct failure *reterr);

#endif
