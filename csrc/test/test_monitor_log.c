/* The monitor's logs: entries in both forms, lines and their parts, rotation, a disk that is full. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entry.h"
#include "log.h"
#include "tap.h"

static char directory[] = "/tmp/tsrun-test-XXXXXX";
static char path[128];

static const char *json_of(const char *text, size_t length, bool partial, const char *attributes)
{
	static char out[4096];
	size_t size = entry_json(
		&(const struct entry){ text, length, { 1700000000, 5 }, STREAM_STDERR, partial }, attributes, out);

	out[size] = '\0';
	return out;
}

static bool logs_as(const char *text, size_t length, const char *expected)
{
	char line[512];

	(void)snprintf(line, sizeof(line),
		"{\"log\":\"%s\\n\",\"stream\":\"stderr\",\"time\":\"2023-11-14T22:13:20.000000005Z\"}\n", expected);
	return strcmp(json_of(text, length, false, NULL), line) == 0;
}

static void test_json(void)
{
	OK(logs_as("plain", 5, "plain"), "entry_json: a line has its line end, stream and time");
	OK(logs_as("\"\\\t\r\x01<&>", 8, "\\\"\\\\\\t\\r\\u0001\\u003c\\u0026\\u003e"),
		"entry_json: what JSON and HTML take for their own is escaped");
	OK(logs_as("\0", 1, "\\u0000"), "entry_json: a NUL is no end");
	OK(logs_as("\xc3\xa4\xf0\x9f\x98\x80", 6, "\xc3\xa4\xf0\x9f\x98\x80"), "entry_json: UTF-8 stays");
	OK(logs_as("\xc3", 1, "\\ufffd"), "entry_json: a cut sequence is U+FFFD");
	OK(logs_as("\xc0\xaf\xed\xa0\x80", 5, "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"),
		"entry_json: overlong forms and surrogates are U+FFFD");
	OK(logs_as("\xe2\x80\xa8", 3, "\\u2028"), "entry_json: JavaScript's line ends are escaped");
	OK(strstr(json_of("x", 1, true, "{\"a\":\"b\"}"),
		   "{\"log\":\"x\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"b\"},") != NULL,
		"entry_json: a part has no line end; attributes stand where dockerd has them");
}

static void test_local(void)
{
	uint8_t out[64];
	size_t size = entry_local(&(const struct entry){ "\xff\0x", 3, { 1, 2 }, STREAM_STDOUT, false }, out);
	const uint8_t expected[] = { 4, 0, 0, 0, 1, 0, 0, 0, 2, 0xca, 0x9a, 0x3b, 0, 0, 0, 0, 0xff, 0, 'x', '\n', 4, 0,
		0, 0 };

	OK(size == sizeof(expected) && memcmp(out, expected, size) == 0, "entry_local: bytes stay as they are");
}

static char *contents(const char *name)
{
	static char text[1 << 20];
	int fd = open(name, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	(void)close(fd);
	text[got < 0 ? 0 : got] = '\0';
	return got < 0 ? NULL : text;
}

static unsigned int lines(const char *name)
{
	const char *text = contents(name);
	unsigned int count = 0;

	for (; text != NULL && *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

static struct log the_log;

static void begin(struct options *options, uint64_t max_size, unsigned int max_files)
{
	*options = (struct options){ .log_json = path, .max_size = max_size, .max_files = max_files };
	(void)unlink(path);
	OK(log_open(&the_log, options) == 0, "log_open");
}

static void test_lines(void)
{
	static char big[ENTRY_MAX * 2 + 100];
	struct options options;

	begin(&options, 0, 1);
	memset(big, 'a', sizeof(big));
	log_write(&the_log, STREAM_STDOUT, "one\ntw", 6);
	log_write(&the_log, STREAM_STDERR, "err\n", 4);
	log_write(&the_log, STREAM_STDOUT, "o\n", 2);
	OK(lines(path) == 3 && strstr(contents(path), "\"two\\n\"") != NULL,
		"log_write: the streams' lines do not mix, and lines that come in pieces are whole");
	log_write(&the_log, STREAM_STDOUT, big, sizeof(big));
	OK(lines(path) == 5, "log_write: of a long line two whole parts are written, what may go on is kept");
	log_write(&the_log, STREAM_STDOUT, "\n", 1);
	OK(lines(path) == 6, "log_write: its line end ends it");
	log_write(&the_log, STREAM_STDOUT, big, ENTRY_MAX);
	log_write(&the_log, STREAM_STDOUT, "\n", 1);
	OK(lines(path) == 7, "log_write: a line of exactly the longest length is one entry");
	log_write(&the_log, STREAM_STDOUT, "no end", 6);
	log_close(&the_log);
	OK(lines(path) == 8 && strstr(contents(path), "\"no end\",") != NULL,
		"log_close: what no line end has ended is written without one");
}

static void touch(const char *suffix)
{
	char name[160];

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	(void)close(open(name, O_WRONLY | O_CREAT, 0600));
}

static bool is_there(const char *suffix)
{
	char name[160];

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	return access(name, F_OK) == 0;
}

static const char LINE[] = "a line of some length, so that three fill a file\n";

static void write_lines(int count)
{
	for (int i = 0; i < count; i++)
		log_write(&the_log, STREAM_STDOUT, LINE, sizeof(LINE) - 1);
}

static void test_rotation_of_compressed(void)
{
	const char *const all[] = { ".1", ".1.gz", ".2", ".2.gz", ".3", ".3.gz", ".4" };
	char name[160];
	struct options options;
	int lock;

	begin(&options, 300, 4);
	touch(".1.gz");
	touch(".2");
	touch(".3.gz");
	lock = open(directory, O_RDONLY | O_DIRECTORY);
	(void)flock(lock, LOCK_EX);
	write_lines(6);
	OK(lines(path) == 6 && !is_there(".1"), "log_write: names that are locked stay as they are, and nothing waits");
	(void)close(lock);
	write_lines(1);
	OK(lines(path) == 1 && is_there(".1") && !is_there(".1.gz") && is_there(".2.gz") && !is_there(".2") &&
			is_there(".3") && !is_there(".3.gz") && !is_there(".4"),
		"log_write: compressed files move up with the others, and the oldest goes whichever it is");
	log_close(&the_log);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, all[i]);
		(void)unlink(name);
	}
}

static void test_rotation(void)
{
	struct options options;
	char one[160];
	char two[160];

	(void)snprintf(one, sizeof(one), "%s.1", path);
	(void)snprintf(two, sizeof(two), "%s.2", path);
	begin(&options, 300, 2);
	for (int i = 0; i < 20; i++)
		log_write(&the_log, STREAM_STDOUT, "a line of some length, so that three fill a file\n", 49);
	log_close(&the_log);
	OK(lines(path) > 0 && lines(one) == 2 && access(two, F_OK) < 0,
		"log_write: a full file becomes PATH.1, and no more files than asked stay");
	(void)unlink(one);
	test_rotation_of_compressed();
	begin(&options, 300, 1);
	for (int i = 0; i < 20; i++)
		log_write(&the_log, STREAM_STDOUT, "a line of some length, so that three fill a file\n", 49);
	log_close(&the_log);
	OK(lines(path) == 2 && access(one, F_OK) < 0, "log_write: one file alone begins anew");
}

/* A pipe that nobody reads stands for a disk that takes nothing. */
static void test_non_blocking(void)
{
	struct options options = { .log_json = path, .max_files = 1, .buffer_size = 4000 };
	static char text[256 * 1024];
	ssize_t got = 1;
	size_t size = 0;
	unsigned long long lost;
	unsigned int kept = 0;
	unsigned int reports = 0;
	int reader;

	(void)unlink(path);
	(void)mkfifo(path, 0600);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	OK(log_open(&the_log, &options) == 0, "log_open: with a buffer");
	write_lines(4000);
	OK(true, "log_write: with mode=non-blocking a file that takes nothing holds nobody");
	(void)fcntl(reader, F_SETFL, 0);
	(void)fcntl(reader, F_SETPIPE_SZ, 1 << 20);
	/* What the writer is in the middle of comes through, what waits too, and then what was lost. */
	(void)usleep(100000);
	write_lines(1);
	(void)usleep(100000);
	write_lines(1);
	log_close(&the_log);
	while (got > 0 && size < sizeof(text) - 1) {
		got = read(reader, text + size, sizeof(text) - 1 - size);
		size += got > 0 ? (size_t)got : 0;
	}
	text[size] = '\0';
	for (const char *at = text; (at = strstr(at, "a line of some")) != NULL; at++)
		kept++;
	for (const char *at = text; (at = strstr(at, "tsrun: ")) != NULL; at++) {
		reports++;
		OK(sscanf(at, "tsrun: %llu log entries were lost up to here: the buffer of 4000 bytes was full",
			   &lost) == 1,
			"log_write: what was lost is said, with the reason");
		kept += (unsigned int)lost;
	}
	OK(reports <= 3, "log_write: in a few words");
	OK(kept == 4002, "log_write: what is kept and what is said to be lost are all");
	(void)close(reader);
}

static void test_disk_that_hangs(void)
{
	/* The thread outlives this function. */
	static struct options options = { .max_files = 1, .buffer_size = 1000 * 1000 };
	uint64_t lost;
	int reader;

	options.log_json = path;
	(void)unlink(path);
	(void)mkfifo(path, 0600);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	(void)signal(SIGPIPE, SIG_IGN);
	OK(log_open(&the_log, &options) == 0, "log_open: with a buffer");
	write_lines(3000);
	lost = log_close(&the_log);
	OK(lost > 2000 && lost <= 3000, "log_close: a disk that hangs is given up, with the number of entries");
	(void)close(reader);
	(void)unlink(path);
}

static void test_non_blocking_keeps(void)
{
	struct options options = { .log_json = path, .max_files = 1, .buffer_size = 1000 * 1000 };

	(void)unlink(path);
	OK(log_open(&the_log, &options) == 0, "log_open: with a buffer");
	write_lines(5000);
	log_write(&the_log, STREAM_STDOUT, "no end", 6);
	log_close(&the_log);
	OK(lines(path) == 5001 && strstr(contents(path), "\"no end\",") != NULL,
		"log_close: with mode=non-blocking what waits is written");
}

static void set_limit(rlim_t size)
{
	const struct rlimit limit = { size, RLIM_INFINITY };

	(void)setrlimit(RLIMIT_FSIZE, &limit);
}

static void test_full_disk(void)
{
	struct options options;

	(void)signal(SIGXFSZ, SIG_IGN);
	begin(&options, 0, 1);
	log_write(&the_log, STREAM_STDOUT, "before\n", 7);
	set_limit(100);
	log_write(&the_log, STREAM_STDOUT, "lost\nlost too\n", 14);
	OK(lines(path) == 1 && contents(path)[strlen(contents(path)) - 1] == '\n',
		"log_write: a disk that is full leaves no half entry");
	set_limit(RLIM_INFINITY);
	log_write(&the_log, STREAM_STDOUT, "after\n", 6);
	OK(lines(path) == 3 && strstr(contents(path), "2 log entries were lost here: File too large") != NULL,
		"log_write: when there is room again the log says how much it lost");
	log_close(&the_log);
}

int main(void)
{
	if (mkdtemp(directory) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/log", directory);
	test_json();
	test_local();
	test_lines();
	test_rotation();
	test_full_disk();
	test_non_blocking();
	test_non_blocking_keeps();
	test_disk_that_hangs();
	(void)unlink(path);
	(void)rmdir(directory);
	return tap_done();
}
