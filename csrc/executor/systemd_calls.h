/* The calls to systemd that the ops make, with what the plan has for them. org.freedesktop.systemd1(5). */
#ifndef TSRUN_SYSTEMD_CALLS_H
#define TSRUN_SYSTEMD_CALLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "context.h"
#include "dbus_write.h"
#include "plan.h"

/* What a bus wants before it passes anything on, and what makes it and systemd send us the end of jobs. */
void call_hello(struct dbus_call *call);
void call_add_match(struct dbus_call *call);
void call_subscribe(struct dbus_call *call);

/* newer: with the properties that not every systemd knows. -1 with BAD_PLAN: there is no place for a pid. */
int call_start_unit(struct dbus_call *call, const struct context *ctx, const struct op_systemd_start_unit *op,
	bool newer, struct failure *reterr);
void call_set_unit_properties(
	struct dbus_call *call, const struct context *ctx, const struct op_systemd_set_properties *op, bool newer);

void call_stop_unit(struct dbus_call *call, const char *unit);
void call_reset_failed_unit(struct dbus_call *call, const char *unit);
void call_attach_processes(struct dbus_call *call, const char *unit, pid_t pid);

#endif
