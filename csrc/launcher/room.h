/* Whether limits leave enough processes, threads and descriptors for Node to run. */
#ifndef TSRUN_LAUNCHER_ROOM_H
#define TSRUN_LAUNCHER_ROOM_H

#include <stdbool.h>

/* False after it has said what is missing. */
bool has_room_for_node(void);

#endif
