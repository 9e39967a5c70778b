/* Entries for journald, in its own protocol: one datagram each. systemd's JOURNAL_NATIVE_PROTOCOL. */
#ifndef TSRUN_MONITOR_JOURNAL_H
#define TSRUN_MONITOR_JOURNAL_H

#include "entry.h"

/* A connected socket, or -1 with errno. */
int journal_open(const char *path);

/* fields: lines NAME=value, or NULL. What journald does not take at once is lost, as nothing may wait for it. */
void journal_send(int socket_fd, const struct entry *entry, const char *fields);

#endif
