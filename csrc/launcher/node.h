/* Whatever needs a compiler, a parser or a sentence for people: Node on the bundled CLI, in place of this process. */
#ifndef TSRUN_NODE_H
#define TSRUN_NODE_H

/*
 * argv, envp: as this process got them; of the environment Node is given an allow-list. variable: one more, or NULL:
 * TSRUN_ANSWER=FD with records of verbs that were run here and are to be explained (src/runtime/handover.ts), or
 * TSRUN_QUESTION=FD NAME, what the plan cache had no answer to (src/cache/question.ts). Does not return.
 */
_Noreturn void node_exec(char **argv, char **envp, const char *variable);

/* The directory above that of this program, where dist/ is; NULL if it cannot be told. */
const char *node_home(void);

#endif
