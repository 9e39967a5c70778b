/* list: its formats, whose bytes are those of runc, and which directories count as containers. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "executor.h"
#include "listing.h"
#include "tap.h"

#define STATE(id, bundle, annotations)                                                                         \
	"{\n  \"ociVersion\": \"1.3.0\",\n  \"id\": \"" id "\",\n  \"pid\": 42,\n  \"status\": \"running\",\n" \
	"  \"bundle\": \"" bundle "\",\n  \"rootfs\": \"/b/rootfs\",\n"                                        \
	"  \"created\": \"2026-01-02T03:04:05.678901234Z\",\n" annotations "  \"owner\": \"\"\n}"

static bool prints(enum listing_format format, const char *state, const char *text)
{
	static struct listing listing;

	listing_begin(&listing, format);
	if (state != NULL && !listing_add(&listing, state, "root"))
		return false;
	return listing_end(&listing) && listing.text.size == strlen(text) &&
	       memcmp(listing.text.at, text, strlen(text)) == 0;
}

static void test_formats(void)
{
	static struct listing listing;
	const char *box = STATE("test_box1", "/b", "");
	const char *notes =
		STATE("a", "/b \\\"c\\\\", "  \"annotations\": {\n    \"id\": \"x\",\n    \"a b\": \" , \"\n  },\n");

	OK(prints(LISTING_TABLE, NULL, "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"),
		"an empty table has a header");
	OK(prints(LISTING_TABLE, box,
		   "ID          PID         STATUS      BUNDLE      CREATED                          OWNER\n"
		   "test_box1   42          running     /b          2026-01-02T03:04:05.678901234Z   root\n"),
		"a table");
	OK(prints(LISTING_TABLE, STATE("a", "/\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\\n", ""),
		   "ID          PID         STATUS      BUNDLE        CREATED                          OWNER\n"
		   "a           42          running     "
		   "/\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\\n   "
		   "2026-01-02T03:04:05.678901234Z   "
		   "root\n"),
		"characters are counted, not bytes, and a line feed stays escaped");
	OK(prints(LISTING_JSON, NULL, "null\n"), "no containers are null, as Go prints them");
	OK(prints(LISTING_JSON, box,
		   "[{\"ociVersion\":\"1.3.0\",\"id\":\"test_box1\",\"pid\":42,\"status\":\"running\",\"bundle\":\"/"
		   "b\","
		   "\"rootfs\":\"/b/rootfs\",\"created\":\"2026-01-02T03:04:05.678901234Z\",\"owner\":\"root\"}]\n"),
		"JSON on one line");
	OK(prints(LISTING_JSON, notes,
		   "[{\"ociVersion\":\"1.3.0\",\"id\":\"a\",\"pid\":42,\"status\":\"running\",\"bundle\":\"/b "
		   "\\\"c\\\\\","
		   "\"rootfs\":\"/b/rootfs\",\"created\":\"2026-01-02T03:04:05.678901234Z\","
		   "\"annotations\":{\"id\":\"x\",\"a b\":\" , \"},\"owner\":\"root\"}]\n"),
		"what is inside of strings stays");
	OK(prints(LISTING_IDS, NULL, "") && prints(LISTING_IDS, notes, "a\n"), "ids alone");
	for (int format = LISTING_TABLE; format <= LISTING_IDS; format++) {
		listing_begin(&listing, (enum listing_format)format);
		OK(!listing_add(&listing, "", "root") && !listing_add(&listing, "{\n}", "root") &&
				listing_add(&listing, box, "root") && listing_end(&listing),
			"a text that is no state is refused, and the others stay");
	}
}

static void make_root(const char *root)
{
	int file;

	OK(mkdir(root, 0700) == 0 && chdir(root) == 0 && mkdir("b", 0700) == 0 && mkdir("a", 0700) == 0 &&
			mkdir(".lock", 0700) == 0 && mkdir("with space", 0700) == 0 && symlink("a", "link") == 0,
		"a root directory");
	file = open("file", O_CREAT | O_WRONLY, 0600);
	(void)close(file);
}

static int list(const char *root, int status_fd)
{
	static struct context ctx;
	struct args args = args_none();

	args.root = root;
	args.format = "json";
	args.status_fd = status_fd;
	context_init(&ctx, &args);
	return executor_run("list", &ctx, NULL);
}

static void test_directories(void)
{
	char root[] = "/tmp/tsrun-test-list-XXXXXX";
	struct failure records[4];
	int status_fd = memfd_create("status", 0);

	OK(mkdtemp(root) != NULL && rmdir(root) == 0, "a name");
	OK(list(root, status_fd) == 0, "a root directory that is missing holds no containers");
	make_root(root);
	(void)ftruncate(status_fd, 0);
	(void)lseek(status_fd, 0, SEEK_SET);
	OK(list(root, status_fd) == 0 && pread(status_fd, records, sizeof(records), 0) == 3 * sizeof(records[0]),
		"directories with valid names count, and each that cannot be read is a warning");
	OK(records[0].kind == KIND_WARNING && records[0].problem == PROBLEM_BAD_RECORD &&
			strcmp(records[0].detail, "a") == 0 && strcmp(records[1].detail, "b") == 0 &&
			records[2].kind == KIND_VERDICT && records[2].problem == PROBLEM_NONE,
		"they come sorted, with their ids");
	OK(list("file", -1) == 1, "a root that is a file is a failure");
	OK(system("exec rm -rf \"$PWD\"") == 0, "removed");
	(void)close(status_fd);
}

int main(void)
{
	test_formats();
	test_directories();
	return tap_done();
}
