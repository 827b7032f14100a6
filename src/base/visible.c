#include "base/visible.h"

#include <stdint.h>

#include "base/macros.h"

static const char digits[] = "0123456789abcdef";

/* Backslash, the kind, and so many hexadecimal digits. */
static size_t write_out(char out[VISIBLE_MAX], char kind, uint32_t value, size_t count)
{
	CHECK(count + 2 <= VISIBLE_MAX);
	out[0] = '\\';
	out[1] = kind;
	for (size_t i = 0; i < count; i++)
		out[2 + i] = digits[(value >> (4 * (count - 1 - i))) & 15];
	return count + 2;
}

/* How many bytes the character has by its first one; 0: none begins so. */
static size_t length_of(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* How many bytes follow as they must, of `length`, and what they say. */
static size_t follow(const uint8_t *bytes, size_t size, size_t length, uint32_t *out_point)
{
	uint32_t point = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);
	size_t at = 1;

	for (; at < length && at < size && (bytes[at] & 0xc0) == 0x80; at++)
		point = point << 6 | (bytes[at] & 0x3fu);
	*out_point = point;
	return at;
}

static bool is_real(uint32_t point, size_t length)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	return point >= least[length] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

size_t visible_character_size(const char *text, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)text;
	uint32_t point;

	CHECK(size > 0);
	size_t length = length_of(bytes[0]);
	bool is_whole = length != 0 && follow(bytes, size, length, &point) == length &&
			is_real(point, length);
	return is_whole ? length : 0;
}

static bool is_hidden(uint32_t point)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x7f, 0x9f },
		{ 0xad, 0xad },
		{ 0x61c, 0x61c },
		{ 0x180e, 0x180e },
		{ 0x200b, 0x200f },
		{ 0x2028, 0x202e },
		{ 0x2060, 0x206f },
		{ 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb },
		{ 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < ARRAY_COUNT(ranges); i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return point < 0x20;
}

size_t visible_next(
	const char *text, size_t size, bool keeps_lines, char out[VISIBLE_MAX], size_t *out_used)
{
	const uint8_t *bytes = (const uint8_t *)text;
	uint32_t point = 0;

	CHECK(size > 0);
	size_t length = length_of(bytes[0]);
	*out_used = 1;
	size_t have = length == 0 ? 0 : follow(bytes, size, length, &point);
	if (have < length && have == size)
		return 0;
	if (length == 0 || have < length || !is_real(point, length))
		return write_out(out, 'x', bytes[0], 2);
	*out_used = length;
	if (is_hidden(point) && !(keeps_lines && (point == '\n' || point == '\t')))
		return point < 0x80	 ? write_out(out, 'x', point, 2)
		       : point < 0x10000 ? write_out(out, 'u', point, 4)
					 : write_out(out, 'U', point, 8);
	for (size_t i = 0; i < length; i++)
		out[i] = text[i];
	return length;
}

void visible_copy(char *out, size_t out_size, const char *text)
{
	size_t size = 0, at = 0;
	char shown[VISIBLE_MAX];

	CHECK(out_size > 0);
	while (text[size] != '\0')
		size++;
	while (size > 0) {
		size_t used;
		size_t count = visible_next(text, size, false, shown, &used);
		if (count == 0) /* it ends inside a character */
			count = write_out(shown, 'x', (uint8_t)text[0], 2);
		if (at + count >= out_size)
			break;
		for (size_t i = 0; i < count; i++)
			out[at++] = shown[i];
		text += used;
		size -= used;
	}
	out[at] = '\0';
}
