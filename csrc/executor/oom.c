/* memory.events of cgroup v2, Documentation/admin-guide/cgroup-v2.rst. */
#include "oom.h"

#include <stdlib.h>
#include <string.h>

#include "io.h"

long oom_kills(int cgroup_fd)
{
	char events[512];
	const char *kills;

	if (cgroup_fd < 0 || read_file_at(cgroup_fd, "memory.events", events, sizeof(events)) <= 0)
		return 0;
	kills = strstr(events, "\noom_kill ");
	return kills == NULL ? 0 : strtol(kills + strlen("\noom_kill "), NULL, 10);
}
