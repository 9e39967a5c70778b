/* Entries of a log: see entry.h. */
#include "entry.h"

#include <endian.h>
#include <string.h>

#include "timestamp.h"

static const char HEX[] = "0123456789abcdef";

static char *put(char *at, const char *text)
{
	return stpcpy(at, text);
}

/* encoding/json of Go escapes what HTML or JavaScript would take for its own. */
static char *put_ascii(char *at, unsigned char byte)
{
	switch (byte) {
	case '"':
		return put(at, "\\\"");
	case '\\':
		return put(at, "\\\\");
	case '\n':
		return put(at, "\\n");
	case '\r':
		return put(at, "\\r");
	case '\t':
		return put(at, "\\t");
	default:
		break;
	}
	if (byte < 0x20 || byte == '<' || byte == '>' || byte == '&') {
		at = put(at, "\\u00");
		*at++ = HEX[byte >> 4];
		*at++ = HEX[byte & 15];
		return at;
	}
	*at++ = (char)byte;
	return at;
}

/* Length of the sequence at text, or 0 for one that is overlong, cut, a surrogate or beyond U+10FFFF. RFC 3629. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
	size_t length = text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : text[0] < 0xf5 ? 4 : 0;

	if (length == 0 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
		(text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

static bool is_plain(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\' && byte != '<' && byte != '>' && byte != '&';
}

static char *put_string(char *at, const unsigned char *text, size_t length)
{
	for (size_t i = 0; i < length;) {
		size_t run = i;
		size_t sequence;

		while (run < length && is_plain(text[run]))
			run++;
		memcpy(at, text + i, run - i);
		at += run - i;
		i = run;
		if (i == length)
			break;
		if (text[i] < 0x80) {
			at = put_ascii(at, text[i++]);
			continue;
		}
		sequence = utf8_length(text + i, length - i);
		if (sequence == 0) {
			at = put(at, "\\ufffd");
			i++;
			continue;
		}
		/* Line ends of JavaScript: U+2028 and U+2029. */
		if (sequence == 3 && text[i] == 0xe2 && text[i + 1] == 0x80 && (text[i + 2] & 0xfe) == 0xa8)
			at = put(at, text[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
		else
			at = mempcpy(at, text + i, sequence);
		i += sequence;
	}
	return at;
}

size_t entry_json(const struct entry *entry, const char *attributes, char *ret_text)
{
	char *at = put(ret_text, "{\"log\":\"");

	at = put_string(at, (const unsigned char *)entry->text, entry->length);
	if (!entry->partial)
		at = put(at, "\\n");
	at = put(at, entry->stream == STREAM_STDERR ? "\",\"stream\":\"stderr\"," : "\",\"stream\":\"stdout\",");
	if (attributes != NULL) {
		at = put(at, "\"attrs\":");
		at = put(at, attributes);
		*at++ = ',';
	}
	at = put(at, "\"time\":\"");
	at += timestamp_format(entry->time, at);
	at = put(at, "\"}\n");
	return (size_t)(at - ret_text);
}

size_t entry_local(const struct entry *entry, uint8_t *ret_bytes)
{
	const uint32_t length = htole32((uint32_t)(entry->length + (entry->partial ? 0 : 1)));
	const uint64_t time =
		htole64((uint64_t)entry->time.tv_sec * UINT64_C(1000000000) + (uint64_t)entry->time.tv_nsec);
	uint8_t *at = ret_bytes + LOCAL_HEADER;

	memset(ret_bytes, 0, LOCAL_HEADER);
	memcpy(ret_bytes, &length, sizeof(length));
	ret_bytes[4] = entry->stream;
	ret_bytes[5] = entry->partial;
	memcpy(ret_bytes + 8, &time, sizeof(time));
	at = mempcpy(at, entry->text, entry->length);
	if (!entry->partial)
		*at++ = '\n';
	at = mempcpy(at, &length, sizeof(length));
	return (size_t)(at - ret_bytes);
}
