/* Before a tree of files is touched: it becomes all that this process can reach. */
#ifndef TSRUN_SNAPSHOT_CONFINE_H
#define TSRUN_SNAPSHOT_CONFINE_H

#include <stdbool.h>

#include "failure.h"

/*
 * The tree to work on: one directory, or several that overlayfs shows as one, the uppermost first; or what a running
 * container sees; or what a stopped one would see.
 */
struct view {
	char **directories;
	int count;
	bool read_only;
	/* A descriptor of the container's mount namespace, by which everything that is mounted in it is seen; 0: none.
	 */
	int namespace_fd;
	/* TARGET TYPE DIRECTORY OPTIONS, a mount(2) for this process alone, then SOURCE DESTINATION ro|rw of each bind.
	 */
	char **snapshot;
	int snapshot_count;
};

/*
 * Own mount, network and IPC namespaces; the view is "/" and nothing else is mounted; only the capabilities that
 * owners, modes, devices and attributes of files take; no descriptor but stdio and status_fd. root fd, or -1.
 */
int confine(const struct view *view, int status_fd, struct failure *reterr);

#endif
