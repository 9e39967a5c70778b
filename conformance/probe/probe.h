/* What the files of the probe share. */
#ifndef PROBE_H
#define PROBE_H

/** The fields of an action: "verb|field|field". */
struct action {
	int count;
	char *field[12];
};

/** Writes the members of one JSON object. Returns 0, or -1 if it does not know the verb. */
int act_files(const struct action *action);
int act_process(const struct action *action);

/** Programs for the host's side; each returns an exit status. */
int host_hold(int argc, char **argv);
int host_console(int argc, char **argv);
int host_seccomp(int argc, char **argv);

/** The program of a hook. */
int hook_main(int argc, char **argv, char **env);

/** Appends {"label":…} with the environment it is called in to a log. */
int log_call(const char *file, const char *label, char **argv, char **env, const char *input);

extern int probe_argc;
extern char **probe_argv;

#endif
