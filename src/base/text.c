#include "base/text.h"

void text_clear(struct text *text)
{
	text->size = 0;
	text->data[0] = '\0';
}

static void add_char(struct text *text, char character)
{
	if (text->size + 1 >= sizeof(text->data))
		return;
	text->data[text->size++] = character;
	text->data[text->size] = '\0';
}

void text_add(struct text *text, const char *string)
{
	while (*string != '\0')
		add_char(text, *string++);
}

void text_add_u64(struct text *text, uint64_t value)
{
	char digits[20];
	int count = 0;

	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	while (count > 0)
		add_char(text, digits[--count]);
}

void text_add_seconds(struct text *text, int64_t duration_ns)
{
	uint64_t tenths = duration_ns < 0 ? 0 : (uint64_t)(duration_ns / (NS_PER_S / 10));

	text_add_u64(text, tenths / 10);
	add_char(text, '.');
	add_char(text, (char)('0' + tenths % 10));
}
