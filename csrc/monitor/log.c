/*
 * Output as entries: see log.h. The entries of one read(2) are gathered, so that a program that writes much costs one
 * write(2) for many lines.
 */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"
#include "timestamp.h"

#define BATCH_SIZE (256 * 1024)

struct batch {
	char *bytes;
	size_t capacity;
	size_t size;
	uint64_t count;
};

static struct batch json_batch;
static struct batch local_batch;

int log_open(struct log *log, const struct options *options)
{
	const size_t attributes = options->attributes == NULL ? 0 : strlen(options->attributes);

	*log = (struct log){ .options = options, .journal_fd = -1 };
	log->json = options->log_json != NULL;
	log->local = options->log_local != NULL;
	if (log->json) {
		json_batch.capacity = BATCH_SIZE + JSON_SIZE(ENTRY_MAX, attributes);
		json_batch.bytes = malloc(json_batch.capacity);
		if (json_batch.bytes == NULL ||
			logfile_open(&log->json_file, options->log_json, options->max_size, options->max_files) < 0)
			return -1;
	}
	if (log->local) {
		local_batch.capacity = BATCH_SIZE + ENTRY_MAX + LOCAL_HEADER + LOCAL_TRAILER + 1;
		local_batch.bytes = malloc(local_batch.capacity);
		if (local_batch.bytes == NULL ||
			logfile_open(&log->local_file, options->log_local, options->max_size, options->max_files) < 0)
			return -1;
	}
	/* A journald that is away now may be back later, and what it keeps is only a copy. */
	if (options->log_journal != NULL)
		log->journal_fd = journal_open(options->log_journal);
	return 0;
}

static size_t encode(const struct log *log, const struct batch *batch, const struct entry *entry)
{
	char *at = batch->bytes + batch->size;

	return batch == &json_batch ? entry_json(entry, log->options->attributes, at)
				    : entry_local(entry, (uint8_t *)at);
}

static void flush(struct log *log, struct logfile *file, struct batch *batch);

static void add(struct log *log, struct logfile *file, struct batch *batch, const struct entry *entry)
{
	batch->size += encode(log, batch, entry);
	batch->count++;
	if (batch->size >= BATCH_SIZE)
		flush(log, file, batch);
}

/* In the log itself: nobody else may be there to hear it. */
static void confess(struct log *log, struct logfile *file, struct batch *batch)
{
	char text[160];
	struct entry entry = { .text = text, .time = timestamp_now(), .stream = STREAM_STDERR };
	uint64_t lost = file->lost;

	file->lost = 0;
	batch->size = 0;
	entry.length = (size_t)snprintf(text, sizeof(text), "tsrun: %llu log entries were lost here: %s",
		(unsigned long long)lost, strerror(file->error));
	batch->size = encode(log, batch, &entry);
	if (logfile_append(file, batch->bytes, batch->size, 0) < 0)
		file->lost = lost;
	batch->size = 0;
}

static void flush(struct log *log, struct logfile *file, struct batch *batch)
{
	if (batch->size > 0 && logfile_append(file, batch->bytes, batch->size, batch->count) == 0 && file->lost > 0)
		confess(log, file, batch);
	batch->size = 0;
	batch->count = 0;
}

static void emit(struct log *log, const struct entry *entry)
{
	if (log->json)
		add(log, &log->json_file, &json_batch, entry);
	if (log->local)
		add(log, &log->local_file, &local_batch, entry);
	if (log->journal_fd >= 0)
		journal_send(log->journal_fd, entry, log->options->fields);
}

static void emit_line(struct log *log, struct log_line *line, enum stream stream, bool partial)
{
	if (!line->continued)
		line->time = timestamp_now();
	emit(log, &(const struct entry){ line->text, line->length, line->time, (uint8_t)stream, partial });
	line->continued = partial;
	line->length = 0;
}

void log_write(struct log *log, enum stream stream, const char *bytes, size_t size)
{
	struct log_line *line = &log->lines[stream == STREAM_STDERR];

	if (!log->json && !log->local && log->journal_fd < 0)
		return;
	while (size > 0) {
		const char *end = memchr(bytes, '\n', size);
		size_t length = end == NULL ? size : (size_t)(end - bytes);
		size_t room = ENTRY_MAX - line->length;
		size_t taken = length < room ? length : room;

		memcpy(line->text + line->length, bytes, taken);
		line->length += taken;
		bytes += taken;
		size -= taken;
		/* A part is written when it is certain that the line goes on. */
		if (taken < length) {
			emit_line(log, line, stream, true);
			continue;
		}
		if (end != NULL) {
			emit_line(log, line, stream, false);
			bytes++;
			size--;
		}
	}
	flush(log, &log->json_file, &json_batch);
	flush(log, &log->local_file, &local_batch);
}

void log_close(struct log *log)
{
	for (enum stream stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++) {
		struct log_line *line = &log->lines[stream == STREAM_STDERR];

		if (line->length > 0)
			emit_line(log, line, stream, true);
	}
	flush(log, &log->json_file, &json_batch);
	flush(log, &log->local_file, &local_batch);
	if (log->json)
		logfile_close(&log->json_file);
	if (log->local)
		logfile_close(&log->local_file);
	free(json_batch.bytes);
	free(local_batch.bytes);
	json_batch.bytes = NULL;
	local_batch.bytes = NULL;
}
