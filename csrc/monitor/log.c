/*
 * Output as entries: see log.h. The entries of one read(2) are gathered, so that a program that writes much costs one
 * write(2) for many lines. With mode=non-blocking a thread writes them, which alone then touches files and batches.
 */
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"
#include "timestamp.h"

#define BATCH_SIZE (256 * 1024)
/* After so many the disk is seen to take something. */
#define BATCH_COUNT 1000
/* Without any entry written: longer than a busy disk takes for a batch, shorter than a client waits for kill. */
#define HANGS_S 5

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

	/* The texts of lines stay untouched, which is half of a sleeping container's memory here. */
	log->options = options;
	log->journal_fd = -1;
	log->threaded = false;
	for (size_t i = 0; i < 2; i++) {
		log->lines[i].length = 0;
		log->lines[i].continued = false;
	}
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
	if (options->buffer_size > 0 && ring_open(&log->ring, options->buffer_size) < 0)
		return -1;
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
	const size_t before = batch->size;
	const size_t size = encode(log, batch, entry);

	/* The next file begins between two entries, not between two reads. */
	if (before > 0 && logfile_is_full(file, before + size)) {
		flush(log, file, batch);
		(void)memmove(batch->bytes, batch->bytes + before, size);
	}
	batch->size += size;
	batch->count++;
	if (batch->size >= BATCH_SIZE)
		flush(log, file, batch);
}

static struct entry confession(char text[160], uint64_t lost, const char *why)
{
	int length = snprintf(text, 160, "tsrun: %llu log entries were lost %s", (unsigned long long)lost, why);

	return (struct entry){ text, (size_t)length, timestamp_now(), STREAM_STDERR, false };
}

/* In the log itself: nobody else may be there to hear it. */
static void confess(struct log *log, struct logfile *file, struct batch *batch)
{
	char why[80];
	char text[160];
	uint64_t lost = file->lost;
	struct entry entry;

	(void)snprintf(why, sizeof(why), "here: %s", strerror(file->error));
	entry = confession(text, lost, why);
	file->lost = 0;
	batch->size = 0;
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

static void flush_all(struct log *log)
{
	flush(log, &log->json_file, &json_batch);
	flush(log, &log->local_file, &local_batch);
}

static void add_all(struct log *log, const struct entry *entry)
{
	if (log->json)
		add(log, &log->json_file, &json_batch, entry);
	if (log->local)
		add(log, &log->local_file, &local_batch, entry);
}

/* A disk that is late is not made later by a word for each entry: once a second, and in the end. */
static void add_lost(struct log *log, uint64_t *lost, bool now)
{
	static time_t said;
	struct timespec clock = { 0 };
	char why[80];
	char text[160];
	struct entry entry;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &clock);
	if (*lost == 0 || (!now && clock.tv_sec == said))
		return;
	said = clock.tv_sec;
	(void)snprintf(why, sizeof(why), "up to here: the buffer of %llu bytes was full",
		(unsigned long long)log->options->buffer_size);
	entry = confession(text, *lost, why);
	*lost = 0;
	add_all(log, &entry);
}

static void *write_entries(void *argument)
{
	static struct ring_entry taken;
	struct log *log = argument;
	uint64_t lost = 0;
	uint64_t pending = 0;
	bool last;

	while (ring_take(&log->ring, &taken, &last)) {
		lost += taken.lost;
		add_lost(log, &lost, false);
		add_all(log, &taken.entry);
		pending++;
		if (!last && pending < BATCH_COUNT)
			continue;
		flush_all(log);
		ring_written(&log->ring, pending);
		pending = 0;
	}
	lost += taken.lost;
	add_lost(log, &lost, true);
	flush_all(log);
	return NULL;
}

/* Where no thread can be had the program waits for its log, as without the option: nothing is lost. */
static bool is_threaded(struct log *log)
{
	if (!log->threaded && log->options->buffer_size > 0)
		log->threaded = pthread_create(&log->writer, NULL, write_entries, log) == 0;
	return log->threaded;
}

static void emit(struct log *log, const struct entry *entry)
{
	if (log->journal_fd >= 0)
		journal_send(log->journal_fd, entry, log->options->fields);
	if (!log->json && !log->local)
		return;
	if (is_threaded(log))
		ring_put(&log->ring, entry);
	else
		add_all(log, entry);
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
	if (!log->threaded)
		flush_all(log);
}

/*
 * A disk that is slow is waited for as long as it takes something; one that hangs must not keep the program's end from
 * being told. Entries that are given up: the thread goes on with them until this process ends.
 */
static uint64_t end_writer(struct log *log)
{
	uint64_t waiting = ring_close(&log->ring);

	for (;;) {
		struct timespec until = { 0 };
		uint64_t before = waiting;

		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += HANGS_S;
		if (pthread_timedjoin_np(log->writer, NULL, &until) == 0)
			return 0;
		waiting = ring_close(&log->ring);
		if (waiting == before)
			return waiting;
	}
}

uint64_t log_close(struct log *log)
{
	uint64_t lost;

	for (enum stream stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++) {
		struct log_line *line = &log->lines[stream == STREAM_STDERR];

		if (line->length > 0)
			emit_line(log, line, stream, true);
	}
	lost = log->threaded ? end_writer(log) : 0;
	if (lost > 0)
		return lost;
	ring_free(&log->ring);
	flush_all(log);
	if (log->json)
		logfile_close(&log->json_file);
	if (log->local)
		logfile_close(&log->local_file);
	free(json_batch.bytes);
	free(local_batch.bytes);
	json_batch.bytes = NULL;
	local_batch.bytes = NULL;
	return 0;
}
