/*
 * A process that does nothing but hold a user and a mount namespace, so that what was mounted there is still there for
 * the next program that comes: a daemon of a user that was ended and begins again.
 */
#ifndef TSRUN_SNAPSHOT_HOLDER_H
#define TSRUN_SNAPSHOT_HOLDER_H

/*
 * words: RECORD, then those of enter_user_namespace(). RECORD is a file with the process id of the holder, which has it
 * locked, flock(2), for as long as it lives. Joins its namespaces; without a holder makes them, and the holder. A
 * refusal is told as there; TSRUN_HOLDER is "made" where the holder is new. Returns only when the program cannot be
 * executed.
 */
void enter_held_namespaces(char **words);

#endif
