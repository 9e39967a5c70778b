/* Whatever needs a compiler, a parser or a sentence for people: Node on the bundled CLI, in place of this process. */
#ifndef TSRUN_NODE_H
#define TSRUN_NODE_H

/*
 * argv, envp: as this process got them; of the environment Node is given an allow-list. answer_fd: records of a verb
 * that was run here and is to be explained (src/exec/handover.ts), or -1. Does not return.
 */
_Noreturn void node_exec(char **argv, char **envp, int answer_fd);

#endif
