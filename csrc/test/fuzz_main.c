/*
 * Drives LLVMFuzzerTestOneInput() with mutated inputs where libFuzzer is not at hand: files or directories given as
 * arguments are the corpus; -runs=N and -max_total_time=SECONDS bound it as libFuzzer's flags of that name do.
 * The seed is fixed (-seed=N changes it), so that a failure comes again.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define INPUT_LIMIT 65536
#define MAX_CORPUS  512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint8_t *data;
	size_t size;
};

static struct input corpus[MAX_CORPUS];
static size_t corpus_size;
static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t below(size_t limit)
{
	return limit ? (size_t)(next_random() % limit) : 0;
}

static void add_file(const char *path)
{
	FILE *file = fopen(path, "rb");

	if (!file || corpus_size == MAX_CORPUS)
		return;
	struct input *in = &corpus[corpus_size++];
	in->data = malloc(INPUT_LIMIT);
	in->size = in->data ? fread(in->data, 1, INPUT_LIMIT, file) : 0;
	(void)fclose(file);
}

static void add_path(const char *path)
{
	struct stat st;
	char name[4096];

	if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	DIR *dir = opendir(path);
	for (const struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			add_file(name);
	}
	if (dir)
		(void)closedir(dir);
}

/* One change: a bit, a byte, an interesting word, a cut, or a copied stretch. */
static size_t mutate(uint8_t *data, size_t size)
{
	static const uint32_t WORDS[] = { 0, 1, 7, 8, 63, 64, 127, 128, 255, 4096, 0x7fffffff, 0x80000000, 0xffffffff };
	size_t at = below(size);

	switch (next_random() % 5) {
	case 0:
		if (size)
			data[at] = (uint8_t)(data[at] ^ (1u << below(8)));
		return size;
	case 1:
		if (size)
			data[at] = (uint8_t)next_random();
		return size;
	case 2:
		at &= ~(size_t)3;
		if (at + 4 <= size)
			memcpy(data + at, &WORDS[below(sizeof(WORDS) / sizeof(WORDS[0]))], 4);
		return size;
	case 3:
		return next_random() % 8 ? size : at;
	default:
		if (size > 16)
			memmove(data + below(size - 8), data + below(size - 8), 8);
		return size;
	}
}

static void run_once(void)
{
	static const struct input EMPTY = { NULL, 0 };
	const struct input *from = corpus_size ? &corpus[below(corpus_size)] : &EMPTY;
	size_t size = corpus_size ? from->size : below(1024);
	/* Exactly as large as the input, so that the sanitizer sees a read one byte past it. */
	uint8_t *data = malloc(size ? size : 1);

	if (!data)
		abort();
	for (size_t i = 0; i < size; i++)
		data[i] = corpus_size ? from->data[i] : (uint8_t)next_random();
	for (size_t changes = 1 + below(8); changes > 0; changes--)
		size = mutate(data, size);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
}

int main(int argc, char **argv)
{
	unsigned long runs = 100000;
	long seconds = 60;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "-runs=", 6) == 0)
			runs = strtoul(argv[i] + 6, NULL, 10);
		else if (strncmp(argv[i], "-max_total_time=", 16) == 0)
			seconds = strtol(argv[i] + 16, NULL, 10);
		else if (strncmp(argv[i], "-seed=", 6) == 0)
			state = strtoull(argv[i] + 6, NULL, 10) | 1;
		else
			add_path(argv[i]);
	}
	for (size_t i = 0; i < corpus_size; i++)
		(void)LLVMFuzzerTestOneInput(corpus[i].data, corpus[i].size);
	time_t end = time(NULL) + seconds;
	unsigned long done = 0;
	while (done < runs && time(NULL) < end) {
		run_once();
		done++;
	}
	(void)printf("%lu runs, %zu inputs in the corpus\n", done, corpus_size);
	return 0;
}
