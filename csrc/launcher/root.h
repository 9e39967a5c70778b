/* Where the state of containers lies, if nothing about it is unusual: src/cli/root.ts has the rules and the messages.
 */
#ifndef TSRUN_ROOT_H
#define TSRUN_ROOT_H

#include <stdbool.h>

/* given: --root or NULL. The directory, absolute, which may be missing; NULL: leave it to Node. */
const char *choose_root(const char *given);

#endif
