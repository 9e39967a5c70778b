/* The texts of list: see listing.h. */
#include "listing.h"

#define MIN_WIDTH 12
#define PADDING	  3

/* The last member of a state, which runc's state leaves empty as well. */
#define OWNER "\"owner\": \"\"\n}"

/* Where a member of a state begins: no line of what is in annotations has as little in front of it. */
static const char *const MEMBERS[LISTING_COLUMNS - 1] = {
	"\n  \"id\": ",
	"\n  \"pid\": ",
	"\n  \"status\": ",
	"\n  \"bundle\": ",
	"\n  \"created\": ",
};

static const char *const HEADER[LISTING_COLUMNS] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };

/* As many as are seen: UTF-8 continues a character with 10xxxxxx. */
static size_t count_characters(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += (*text & 0xc0) != 0x80;
	return count;
}

static void add_cell(struct listing *listing, unsigned int column, const char *text, size_t size)
{
	size_t at = listing->cells.size;
	size_t width;

	buffer_add(&listing->cells, text, size);
	buffer_add(&listing->cells, "", 1);
	if (listing->cells.failed)
		return;
	width = count_characters(listing->cells.at + at) + PADDING;
	if (width > listing->widths[column])
		listing->widths[column] = width;
}

/* A text stays as JSON writes it, so that no name of a directory can look like a line, or speak to a terminal. */
static bool add_member(struct listing *listing, unsigned int column, const char *state)
{
	const char *value = strstr(state, MEMBERS[column]);
	size_t size;

	if (value == NULL)
		return false;
	value += strlen(MEMBERS[column]);
	size = strcspn(value, "\n");
	if (size > 0 && value[size - 1] == ',')
		size--;
	if (size >= 2 && *value == '"') {
		value++;
		size -= 2;
	}
	add_cell(listing, column, value, size);
	return true;
}

static bool add_row(struct listing *listing, const char *state, const char *owner)
{
	size_t before = listing->cells.size;

	for (unsigned int column = 0; column < LISTING_COLUMNS - 1; column++) {
		if (add_member(listing, column, state))
			continue;
		listing->cells.size = before;
		return false;
	}
	add_cell(listing, LISTING_COLUMNS - 1, owner, strlen(owner));
	return true;
}

/* Without the white space between the parts; the owner goes in. */
static bool add_object(struct buffer *text, const char *state, const char *owner)
{
	size_t size = strlen(state);
	size_t end = size - (sizeof("\"\n}") - 1);
	bool in_string = false;

	if (size < sizeof(OWNER) - 1 || strcmp(state + size - (sizeof(OWNER) - 1), OWNER) != 0)
		return false;
	buffer_add(text, text->size == 0 ? "[" : ",", 1);
	for (size_t at = 0; at < end; at++) {
		if (!in_string && (state[at] == ' ' || state[at] == '\n'))
			continue;
		if (state[at] == '"')
			in_string = !in_string;
		else if (in_string && state[at] == '\\')
			buffer_add(text, state + at++, 1);
		buffer_add(text, state + at, 1);
	}
	buffer_add(text, owner, strlen(owner));
	buffer_add(text, "\"}", 2);
	return true;
}

static bool add_id(struct listing *listing, const char *state)
{
	if (!add_member(listing, 0, state))
		return false;
	if (!listing->cells.failed)
		listing->cells.at[listing->cells.size - 1] = '\n';
	return true;
}

void listing_begin(struct listing *listing, enum listing_format format)
{
	*listing = (struct listing){ .format = format };
	for (unsigned int column = 0; column < LISTING_COLUMNS; column++) {
		listing->widths[column] = MIN_WIDTH;
		if (format == LISTING_TABLE)
			add_cell(listing, column, HEADER[column], strlen(HEADER[column]));
	}
}

bool listing_add(struct listing *listing, const char *state, const char *owner)
{
	switch (listing->format) {
	case LISTING_TABLE:
		return add_row(listing, state, owner);
	case LISTING_JSON:
		return add_object(&listing->text, state, owner);
	default:
		return add_id(listing, state);
	}
}

static void print_table(struct listing *listing)
{
	const char *cell = listing->cells.at;
	const char *end = cell + listing->cells.size;

	for (unsigned int column = 0; cell < end; column = (column + 1) % LISTING_COLUMNS) {
		bool last = column == LISTING_COLUMNS - 1;

		buffer_add(&listing->text, cell, strlen(cell));
		for (size_t at = count_characters(cell); !last && at < listing->widths[column]; at++)
			buffer_add(&listing->text, " ", 1);
		if (last)
			buffer_add(&listing->text, "\n", 1);
		cell += strlen(cell) + 1;
	}
}

bool listing_end(struct listing *listing)
{
	if (listing->cells.failed || listing->text.failed)
		return false;
	if (listing->format == LISTING_TABLE)
		print_table(listing);
	else if (listing->format == LISTING_IDS)
		buffer_add(&listing->text, listing->cells.at, listing->cells.size);
	else if (listing->text.size == 0)
		buffer_add(&listing->text, "null\n", 5); /* as Go prints an empty list */
	else
		buffer_add(&listing->text, "]\n", 2);
	return !listing->text.failed;
}
