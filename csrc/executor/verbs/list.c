/*
 * list: the states of all containers below the root directory. One that cannot be read is a warning, whose detail
 * begins with its id, so that it does not hide the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../buffer.h"
#include "../cleanup.h"
#include "../directory.h"
#include "../io.h"
#include "../listing.h"
#include "../verbs.h"

#define ID_SIZE (NAME_MAX + 1)

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_directory(int fd, const struct dirent64 *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Sorted, each in ID_SIZE bytes. None where there is no root directory. */
static int read_ids(const char *root, struct buffer *ret_ids, struct failure *reterr)
{
	cleanup_fd int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct directory directory;
	const struct dirent64 *entry;

	if (fd < 0)
		return errno == ENOENT ? 0 : FAIL(reterr, "open");
	if (directory_rewind(&directory, fd) < 0)
		return FAIL(reterr, "lseek");
	while ((entry = directory_next(&directory)) != NULL) {
		char id[ID_SIZE] = "";

		if (!is_container_id(entry->d_name) || !is_directory(fd, entry))
			continue;
		memcpy(id, entry->d_name, strlen(entry->d_name));
		buffer_add(ret_ids, id, sizeof(id));
	}
	if (directory.length < 0)
		return FAIL(reterr, "getdents64");
	if (ret_ids->failed)
		return FAIL(reterr, "mremap");
	if (ret_ids->size > 0)
		qsort(ret_ids->at, ret_ids->size / ID_SIZE, ID_SIZE, compare);
	return 0;
}

/* The host's own users, from a plain file, so that no NSS module is loaded. NUL-terminated; empty without the file. */
static void read_passwd(struct buffer *ret_passwd)
{
	cleanup_fd int fd = open("/etc/passwd", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	char piece[4096];
	ssize_t got;

	while (fd >= 0 && (got = read_upto(fd, piece, sizeof(piece))) > 0)
		buffer_add(ret_passwd, piece, (size_t)got);
	buffer_add(ret_passwd, "", 1);
}

/* passwd(5); of several names for an id the first, as getpwuid(3). One that JSON had to escape is passed over. */
static void find_owner(const char *passwd, uid_t uid, char *ret_owner, size_t size)
{
	char wanted[16];

	(void)snprintf(ret_owner, size, "#%u", uid);
	(void)snprintf(wanted, sizeof(wanted), ":%u:", uid);
	for (const char *line = passwd; *line != '\0'; line += *line == '\n' ? 1 : 0) {
		size_t name = strcspn(line, ":\n\"\\");
		size_t password = line[name] == ':' ? strcspn(line + name + 1, ":\n") + 1 : 0;

		if (name > 0 && name < size && strncmp(line + name + password, wanted, strlen(wanted)) == 0) {
			(void)snprintf(ret_owner, size, "%.*s", (int)name, line);
			return;
		}
		line += strcspn(line, "\n");
	}
}

static void warn(struct context *ctx, const char *id, const struct failure *failure)
{
	struct failure warning = *failure;

	warning.detail_length = 0;
	failure_detail(&warning, id, strlen(id) + 1);
	failure_detail(&warning, failure->detail, failure->detail_length);
	report_warning(ctx, &warning);
}

static int add_container(struct context *one, const char *passwd, struct listing *listing, struct failure *reterr)
{
	const char *text = state_text(one, reterr);
	struct stat st;
	char owner[256];

	if (text == NULL)
		return -1;
	if (fstat(one->state_fd, &st) < 0)
		return FAIL(reterr, "fstat");
	find_owner(passwd, st.st_uid, owner, sizeof(owner));
	if (listing_add(listing, text, owner))
		return 0;
	errno = EINVAL;
	return FAIL_AS(reterr, PROBLEM_BAD_RECORD, "listing_add");
}

static void list_one(struct context *ctx, const char *id, const char *passwd, struct listing *listing)
{
	static struct context one;
	struct args args = *ctx->args;
	struct failure failure = { 0 };

	args.id = id;
	context_init(&one, &args);
	one.proc_fd = ctx->proc_fd; /* one private procfs for all */
	/* One that is gone was deleted since the directory was read. */
	if (add_container(&one, passwd, listing, &failure) < 0 && failure.problem != PROBLEM_NOT_FOUND)
		warn(ctx, id, &failure);
	ctx->proc_fd = one.proc_fd;
	close_fd(&one.root_fd);
	close_fd(&one.state_fd);
	close_fd(&one.init_pidfd);
	plan_unload(&one.plan);
}

int verb_list(struct context *ctx, struct failure *reterr)
{
	static struct listing listing;
	const struct args *args = ctx->args;
	bool json = args->format != NULL && strcmp(args->format, "json") == 0;
	struct buffer passwd = { 0 };
	struct buffer ids = { 0 };

	if (read_ids(args->root, &ids, reterr) < 0)
		return -1;
	read_passwd(&passwd);
	listing_begin(&listing, args->quiet ? LISTING_IDS : json ? LISTING_JSON : LISTING_TABLE);
	for (size_t at = 0; at < ids.size && !passwd.failed; at += ID_SIZE)
		list_one(ctx, ids.at + at, passwd.at, &listing);
	if (passwd.failed || !listing_end(&listing))
		return FAIL(reterr, "mremap");
	return print_all(listing.text.at, listing.text.size) < 0 ? FAIL(reterr, "write") : 0;
}
