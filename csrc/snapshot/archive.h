/* One path of a tree, for `docker cp` and for filling volumes; links on the way lead within the root. */
#ifndef TSRUN_SNAPSHOT_ARCHIVE_H
#define TSRUN_SNAPSHOT_ARCHIVE_H

#include "failure.h"

/*
 * One entry without data: what is at path, whose last component is not followed unless it ends in "/" or "/."; the
 * entry's path is where it is once all links are followed, without the leading slash.
 */
int archive_stat(int root_fd, char *path, int stream_fd, struct failure *reterr);

/* An entry stream of it: of a directory as that of pack(), of anything else one entry with its name. */
int archive_get(int root_fd, char *path, int stream_fd, struct failure *reterr);

#endif
