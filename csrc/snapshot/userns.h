/* A user without rights becomes root of a user namespace of its own, in which layers can have owners. */
#ifndef TSRUN_SNAPSHOT_USERNS_H
#define TSRUN_SNAPSHOT_USERNS_H

#include <stdbool.h>

#define REFUSAL_WORDS_MAX 400

/* call is NULL where nothing was refused. */
struct refusal {
	const char *call;
	int number; /* errno */
	char words[REFUSAL_WORDS_MAX + 1];
};

/* Notes errno. Returns -1. */
int refuse(struct refusal *refusal, const char *call);

/* The first four words of enter_user_namespace(). This process goes there; 0, or -1 with the refusal. */
int own_user_namespace(char **words, struct refusal *refusal);

/* Returns only when the program cannot be executed. */
void become_program(char **argv, const struct refusal *refusal);

/*
 * words: UIDS GIDS NEWUIDMAP NEWGIDMAP PROGRAM [ARGUMENT...]. UIDS and GIDS are lines of user_namespaces(7), each
 * number behind a space; '' for the tools: the maps are of the own id alone. Becomes the program, with TSRUN_USERNS in
 * its environment: "entered", or "CALL ERRNO WORDS" of what was refused, and then it is where it was. Whoever is root
 * already stays too. Returns only when the program cannot be executed.
 */
void enter_user_namespace(char **words);

/* Whether root is that of a user namespace: it has no trusted.* attributes, and makes no devices. */
bool in_user_namespace(void);

#endif
