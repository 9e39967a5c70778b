#define _GNU_SOURCE
#include "json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char line[1 << 20];
static size_t used;
static bool separate;

static void put(const char *text, size_t length)
{
	if (length > sizeof(line) - 2 || used > sizeof(line) - 2 - length)
		return;
	memcpy(line + used, text, length);
	used += length;
}

static void comma(void)
{
	if (separate)
		put(",", 1);
	separate = true;
}

void json_begin(void)
{
	used = 0;
	separate = false;
	json_open('{');
}

void json_open(char bracket)
{
	comma();
	put(&bracket, 1);
	separate = false;
}

void json_close(char bracket)
{
	put(&bracket, 1);
	separate = true;
}

void json_key(const char *key)
{
	json_string(key);
	put(":", 1);
	separate = false;
}

void json_string(const char *text)
{
	json_bytes(text, strlen(text));
}

void json_bytes(const char *bytes, size_t length)
{
	comma();
	put("\"", 1);
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		char escape[8];

		if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
			put(&bytes[i], 1);
		} else {
			snprintf(escape, sizeof(escape), "\\u%04x", byte);
			put(escape, 6);
		}
	}
	put("\"", 1);
}

void json_number(long long number)
{
	char text[32];

	comma();
	put(text, (size_t)snprintf(text, sizeof(text), "%lld", number));
}

void json_pair(const char *key, const char *text)
{
	json_key(key);
	json_string(text);
}

void json_pair_number(const char *key, long long number)
{
	json_key(key);
	json_number(number);
}

void json_errno(int error)
{
	const char *name = strerrorname_np(error);

	json_pair("errno", name != NULL ? name : "unknown");
}

void json_end(int fd)
{
	json_close('}');
	put("\n", 1);
	for (size_t done = 0; done < used;) {
		ssize_t n = write(fd, line + done, used - done);

		if (n <= 0)
			_exit(9);
		done += (size_t)n;
	}
}
