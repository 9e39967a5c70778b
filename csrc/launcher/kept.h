/* The plan that create, run or exec --process needs, if it was compiled before. */
#ifndef TSRUN_KEPT_H
#define TSRUN_KEPT_H

#include "command.h"
#include "origin.h"

/* A sealed memfd. Does not return without one: Node compiles, and is told where its answer belongs. */
int kept_plan(const struct command *command, const struct origin *origin);

#endif
