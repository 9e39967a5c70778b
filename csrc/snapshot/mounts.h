/* overlayfs mounts of layers, and host mounts for whoever asks for one. */
#ifndef TSRUN_SNAPSHOT_MOUNTS_H
#define TSRUN_SNAPSHOT_MOUNTS_H

#include "failure.h"

/* A detached, read-only overlay of at least two directories, the uppermost first. fd, or -1. */
int mount_layers(char **directories, int count, struct failure *reterr);

#endif
