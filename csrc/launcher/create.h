/* create and run of a bundle whose plan is cached: without Node, unless there is something to say. */
#ifndef TSRUN_CREATE_H
#define TSRUN_CREATE_H

#include "command.h"
#include "origin.h"

/* Whether it may be looked for in the cache; makes the paths of command absolute. Before anything is opened. */
bool create_is_plain(struct command *command);

/* command: create or run, plain. The exit status; does not return where Node takes over. */
int launch_create(struct command *command, struct origin *origin);

#endif
