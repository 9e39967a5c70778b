/* An argv or envp out of the plan: pointers into its string area, in a mapping of their own. */
#ifndef TSRUN_VECTOR_H
#define TSRUN_VECTOR_H

#include <sys/mman.h>

#include "plan.h"

/*
 * NULL-terminated, with room for `extra` more pointers. NULL with errno. Never unmapped: what needs
 * one ends in execve(2).
 */
static inline const char **vector_map(const struct plan *plan, struct plan_strv vector, uint32_t extra)
{
	size_t size = ((size_t)vector.count + extra + 1) * sizeof(char *);
	const char **pointers = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pointers == MAP_FAILED)
		return NULL;
	plan_pointers(plan, vector, pointers);
	return pointers;
}

#endif
