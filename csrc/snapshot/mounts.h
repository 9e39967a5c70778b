/* overlayfs mounts of layers, what a stopped container would see, and host mounts for whoever asks for one. */
#ifndef TSRUN_SNAPSHOT_MOUNTS_H
#define TSRUN_SNAPSHOT_MOUNTS_H

#include "failure.h"

/* A detached, read-only overlay of at least two directories, the uppermost first. fd, or -1. */
int mount_layers(char **directories, int count, struct failure *reterr);

/*
 * words: TARGET TYPE DIRECTORY OPTIONS. mount(2) by relative names from DIRECTORY, which keeps the options of many
 * layers on the one page that it takes; bind: DIRECTORY itself.
 */
int mount_relative(char *const words[4], struct failure *reterr);

/* The same, then SOURCE DESTINATION ro|rw of each bind, whose destination is looked up, and made, below TARGET. */
int mount_snapshot(char **words, int count, struct failure *reterr);

/* At target, which is made; links on the way lead within directory. */
int bind_subpath(const char *target, const char *directory, const char *subpath, struct failure *reterr);

#endif
