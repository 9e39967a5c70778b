/* An entry stream becomes a tree of files. */
#ifndef TSRUN_SNAPSHOT_UNPACK_H
#define TSRUN_SNAPSHOT_UNPACK_H

#include <stdbool.h>

#include "stream.h"

/*
 * status_fd takes a warning for each hard link whose target is not there and each file whose attributes the file
 * system cannot hold; its index is that of the entry. apply: whiteouts remove, instead of being kept for overlayfs.
 */
int unpack(int root_fd, int stream_fd, int status_fd, bool apply, struct failure *reterr);

#endif
