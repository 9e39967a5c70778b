/* One function per verb: 0, or -1 with *reterr written. */
#ifndef TSRUN_VERBS_H
#define TSRUN_VERBS_H

#include "context.h"

int verb_create(struct context *ctx, struct failure *reterr);
int verb_exec(struct context *ctx, struct failure *reterr);
int verb_mounts(struct context *ctx, struct failure *reterr);
int verb_start(struct context *ctx, struct failure *reterr);
int verb_kill(struct context *ctx, struct failure *reterr);
int verb_pause(struct context *ctx, struct failure *reterr);
int verb_resume(struct context *ctx, struct failure *reterr);
int verb_update(struct context *ctx, struct failure *reterr);
int verb_state(struct context *ctx, struct failure *reterr);
int verb_ps(struct context *ctx, struct failure *reterr);
int verb_list(struct context *ctx, struct failure *reterr);
int verb_delete(struct context *ctx, struct failure *reterr);
int verb_wait(struct context *ctx, struct failure *reterr);

/* What state prints; lasts as long as the process. NULL with *reterr written. */
const char *state_text(struct context *ctx, struct failure *reterr);

/* Ends with the supervised program's status through *ret_exit. */
int verb_supervise(struct context *ctx, int *ret_exit, struct failure *reterr);

#endif
