/* What clients ask for, and their input: the protocol is in client.h. */
#ifndef TSRUN_MONITOR_ATTACH_H
#define TSRUN_MONITOR_ATTACH_H

#include <poll.h>

#include "loop.h"

void attach_accept(struct loop *loop);

struct pollfd attach_want(const struct loop *loop, const struct client *client);

void attach_serve(struct loop *loop, struct client *client, short revents);

#endif
