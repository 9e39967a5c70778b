/* Becoming root of a user namespace, which the stage does in a joined one and init in a new one. */
#ifndef TSRUN_CREDS_H
#define TSRUN_CREDS_H

#include "failure.h"

/* All ids 0 and, where the namespace allows setgroups(2), no supplementary groups. */
int become_root(struct failure *reterr);

#endif
