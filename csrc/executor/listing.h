/*
 * What list prints, in runc's formats: a table as Go's text/tabwriter lays it out, one JSON array on one line, or the
 * ids alone. Made of the texts that state prints (src/compile/state-json.ts). Pure.
 */
#ifndef TSRUN_LISTING_H
#define TSRUN_LISTING_H

#include "buffer.h"

#define LISTING_COLUMNS 6

enum listing_format {
	LISTING_TABLE,
	LISTING_JSON,
	LISTING_IDS,
};

struct listing {
	enum listing_format format;
	struct buffer cells; /* of the table, row by row, each with its NUL */
	struct buffer text;  /* what is to be printed, once listing_end() was called */
	size_t widths[LISTING_COLUMNS];
};

void listing_begin(struct listing *listing, enum listing_format format);

/* false: the text is not one of state's. */
bool listing_add(struct listing *listing, const char *state, const char *owner);

/* false: there was no memory for it. */
bool listing_end(struct listing *listing);

#endif
