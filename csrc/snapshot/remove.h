/* Removing a file or a whole tree by descriptor, one name at a time. */
#ifndef TSRUN_SNAPSHOT_REMOVE_H
#define TSRUN_SNAPSHOT_REMOVE_H

/* Whatever the name in dirfd is, with all that is in it; links are removed, never followed. 0, or -1 with errno. */
int remove_tree(int dirfd, const char *name);

/* What is in the directory. 0, or -1 with errno. */
int remove_content(int fd);

#endif
