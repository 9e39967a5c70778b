/*
 * The sync socket between E and I (and S): a SOCK_SEQPACKET pair, one message a datagram.
 * Phases and their order are the plan's; see context.h for the drawing.
 */
#ifndef TSRUN_CHANNEL_H
#define TSRUN_CHANNEL_H

#include "context.h"

enum message_kind {
	MESSAGE_PHASE = 1,   /* value: PHASE_* */
	MESSAGE_SPAWNED = 2, /* value: pid of I, sent by S */
	MESSAGE_RECORD = 3,  /* a failure or a warning follows */
	MESSAGE_MOUNTED = 4, /* value: id of a mount that was attached with LIVE */
};

int channel_open(struct context *ctx, struct failure *reterr);
int channel_send_value(struct context *ctx, enum message_kind kind, uint32_t value, struct failure *reterr);
void channel_send_record(struct context *ctx, const struct failure *record);

/*
 * Receives until a message of this kind and value arrives (value 0: any; it is stored in *ret_value).
 * Warnings on the way are reported; a failure of the other side is copied to *reterr and is -1;
 * so is its death (PROBLEM_INIT_DIED).
 */
int channel_expect(
	struct context *ctx, enum message_kind kind, uint32_t value, uint32_t *ret_value, struct failure *reterr);

/*
 * Takes what has arrived, waiting at most so many milliseconds for it. 0: go on, -1: a failure of the other side, its
 * death, or a signal that asks to stop.
 */
int channel_take(struct context *ctx, int milliseconds, struct failure *reterr);

/* exec: reads until the socket closes, which execve(2) of the program does. -1 if a failure came first. */
int channel_drain(struct context *ctx, struct failure *reterr);

#endif
