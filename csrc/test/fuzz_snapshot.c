/*
 * Feeds unpack() entry streams: the input as it is, and the input as choices among names, links and kinds that are
 * meant to get out of the tree. The sanitizers say when memory is left, the canary beside the root when the tree is. As
 * root, in a mount namespace of its own (scratch.h).
 */
#include "scratch.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "remove.h"
#include "unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* The program ends after one stream and leaves freeing to that. */
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static const char *const NAMES[] = {
	"a",
	"a/b",
	"a/b/c",
	"l",
	"l/x",
	"l/victim",
	"..",
	"../canary/victim",
	"a/../../canary/victim",
	"/tmp/canary/victim",
	".",
	"",
	"a//b",
	"a/.",
	"d/e/f/g",
	"\xff",
};
static const char *const LINKS[] = {
	"..",
	"../canary",
	"/tmp/canary",
	"/proc/self/root/tmp/canary",
	"a",
	"l",
	"a/b",
	"/",
	".",
	"../../../../tmp/canary/victim",
};
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
static const uint8_t CONTENT[256];

struct made {
	uint8_t bytes[1u << 16];
	size_t length;
};

static void add(struct made *made, const void *bytes, size_t size)
{
	if (size > sizeof(made->bytes) - made->length)
		return;
	memcpy(made->bytes + made->length, bytes, size);
	made->length += size;
}

/* Name and value of one attribute; the lengths lie when the input says so. */
static void add_xattrs(struct made *made, uint8_t choice)
{
	struct xattr_header header = { .name_length = 6, .value_length = 2 };

	if (choice & 0x40)
		header.value_length = 0xffffffffu - choice;
	add(made, &header, sizeof(header));
	add(made, choice & 0x20 ? "user.a" : "truste", 6);
	add(made, "vv", 2);
}

static void add_data(struct made *made, const uint8_t *input)
{
	struct chunk_header chunk = { .offset = input[5] * 1000u, .length = input[6] };

	if (input[6] != 0) {
		add(made, &chunk, sizeof(chunk));
		add(made, CONTENT, input[6]);
	}
	chunk = (struct chunk_header){ .offset = input[7] };
	add(made, &chunk, sizeof(chunk));
}

/* Eight bytes of input are an entry. */
static void add_entry(struct made *made, const uint8_t *input, uint32_t index)
{
	const char *path = NAMES[input[1] % COUNT(NAMES)];
	const char *link = LINKS[input[2] % COUNT(LINKS)];
	struct entry_header header = {
		.magic = ENTRY_MAGIC,
		.kind = (uint8_t)(input[0] % (ENTRY_ATTRIBUTES + 2)),
		.flags = input[3] & 0x1f,
		.links = 1,
		.mode = (uint32_t)input[4] << 4,
		.size = (uint64_t)input[7] << (input[3] & 0x20 ? 40 : 2),
		.path_length = (uint32_t)strlen(path),
		.index = index,
	};
	bool has_link = header.kind == ENTRY_SYMLINK || header.kind == ENTRY_HARDLINK;

	header.link_length = has_link ? (uint32_t)strlen(link) : 0;
	header.xattrs_length = input[4] & 0x80 ? 16 : 0;
	add(made, &header, sizeof(header));
	add(made, path, header.path_length);
	add(made, link, header.link_length);
	if (header.xattrs_length > 0)
		add_xattrs(made, input[4]);
	if (header.kind == ENTRY_FILE && !(header.flags & ENTRY_NO_DATA))
		add_data(made, input);
}

static void run(const uint8_t *bytes, size_t size, bool apply)
{
	static int root = -1, status = -1;
	struct failure failure = { 0 };
	int stream = memfd_create("stream", MFD_CLOEXEC);

	if (root < 0) {
		root = scratch_root();
		status = open("/dev/null", O_WRONLY | O_CLOEXEC);
	}
	if (stream < 0 || (size > 0 && write(stream, bytes, size) != (ssize_t)size) || lseek(stream, 0, SEEK_SET) != 0)
		abort();
	(void)unpack(root, stream, status, apply, &failure);
	(void)close(stream);
	if (!canary_is_untouched())
		abort();
	stream = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (stream < 0 || remove_content(stream) != 0 || count_entries(ROOT) != 0 || !canary_is_untouched())
		abort();
	(void)close(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct made made;
	const struct entry_header end = { .magic = ENTRY_MAGIC, .kind = ENTRY_END };
	bool apply = size > 0 && data[0] & 1;
	uint32_t index = 0;

	run(data, size, apply);
	made.length = 0;
	for (size_t at = 0; at + 8 <= size && at < 8 * 32; at += 8)
		add_entry(&made, data + at, index++);
	add(&made, &end, sizeof(end));
	run(made.bytes, made.length, apply);
	return 0;
}
