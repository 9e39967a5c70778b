/* The mount option tmpcopyup. */
#ifndef TSRUN_COPYUP_H
#define TSRUN_COPYUP_H

#include "failure.h"

/*
 * Copies what the directory source_fd (O_PATH will do) holds into the directory target_fd: files,
 * directories, symlinks, devices, FIFOs and sockets, with mode, owner and times. Hard links become
 * separate files, extended attributes are left out. ELOOP: more than 64 directories deep.
 */
int copy_up(int source_fd, int target_fd, struct failure *reterr);

#endif
