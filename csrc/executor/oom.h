/* Was it for want of memory? */
#ifndef TSRUN_OOM_H
#define TSRUN_OOM_H

/* How many processes of the cgroup the kernel has killed for want of memory; 0 where it does not tell. */
long oom_kills(int cgroup_fd);

#endif
