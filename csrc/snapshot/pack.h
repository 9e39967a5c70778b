/* A tree of files becomes an entry stream, in the order of names. */
#ifndef TSRUN_SNAPSHOT_PACK_H
#define TSRUN_SNAPSHOT_PACK_H

#include <stdbool.h>

#include "failure.h"

struct pack_options {
	bool layer_form; /* char device 0/0 and opaque attribute are overlayfs's, as ENTRY_WHITEOUT and ENTRY_OPAQUE */
	bool metadata;	 /* without what files hold */
};

int pack(int root_fd, int stream_fd, const struct pack_options *options, struct failure *reterr);

/* Only the paths that names_fd has, each ended by NUL, one entry each; what is not there is left out. */
int pack_paths(int root_fd, int names_fd, int stream_fd, struct failure *reterr);

/* What is at name, which is not followed, as one entry of this path without data. */
int pack_description(int parent, const char *name, const char *path, int stream_fd, struct failure *reterr);

/* A directory and all in it, as pack() has it; anything else as one entry, whose path is its name. */
int pack_one(int parent, const char *name, int stream_fd, struct failure *reterr);

#endif
