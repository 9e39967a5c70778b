/*
 * What the launcher asks the plan cache: all that decides what a compile would give. A text of what determines the
 * facts of the host (src/host/facts.ts), the options, the directory of the bundle, and the bytes of its config.json;
 * for exec what the compiler takes from the container, the path of the process' file, and its bytes. docs/adr/0007 says
 * which line stands for which fact.
 */
#ifndef TSRUN_QUESTION_H
#define TSRUN_QUESTION_H

#include <stdbool.h>

#include "entry.h"

struct question_options {
	const char *home;   /* where tsrun is installed */
	const char *bundle; /* absolute */
	bool no_pivot;
	bool no_new_keyring;
	bool systemd_cgroup;
	const char *process; /* exec: absolute; or NULL */
	const char *root;    /* exec: where the container's state is */
	const char *id;
};

struct question {
	struct text text;
	uint64_t shape; /* of what does not differ between configs that share a plan: files are named by it */
};

/*
 * -1 when this process is one whose plans are not cached (no root, a user namespace, a seccomp filter), or the config
 * cannot be read. The text lasts as long as the process.
 */
int question_ask(const struct question_options *options, struct question *ret_question);

#endif
