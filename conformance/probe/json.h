/*
 * Writing JSON to a descriptor, one object a line, without heap: a line is put together in one buffer and
 * written by one write(2), so that the lines of several processes on one file do not mix.
 */
#ifndef PROBE_JSON_H
#define PROBE_JSON_H

#include <stddef.h>

void json_begin(void);
void json_key(const char *key);
void json_string(const char *text);
/** Bytes up to length; what is not ASCII is written as \u00XX. */
void json_bytes(const char *bytes, size_t length);
void json_number(long long number);
void json_open(char bracket);
void json_close(char bracket);
void json_pair(const char *key, const char *text);
void json_pair_number(const char *key, long long number);
/** {"errno": "ENOENT"} */
void json_errno(int error);
void json_end(int fd);

#endif
