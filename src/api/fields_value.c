/* One value: numbers, texts, words and bytes as JSON, and back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/fields_internal.h"
#include "base/limits.h"
#include "core/record.h"

#define ERRNO_MAX     4095
#define CLEAN_SIZE    256 /* of a text that was no UTF-8 */
#define U64_TEXT_SIZE 18  /* "0x" and 16 digits */

/* ---- numbers and bytes ---- */

static json_t *json_from_u64(uint64_t value)
{
	char digits[U64_TEXT_SIZE + 1];
	if (value <= INT64_MAX)
		return json_integer((json_int_t)value);
	snprintf(digits, sizeof(digits), "0x%016" PRIx64, value);
	return json_string(digits);
}

static bool json_to_u64(const json_t *json, uint64_t *out)
{
	char *end = NULL;
	if (json_is_integer(json) && json_integer_value(json) >= 0) {
		*out = (uint64_t)json_integer_value(json);
		return true;
	}
	const char *text = json_string_value(json);
	if (text == NULL || strncmp(text, "0x", 2) != 0 || strlen(text) != U64_TEXT_SIZE)
		return false;
	*out = strtoull(text, &end, 16);
	return *end == '\0';
}

static json_t *json_from_bytes(const uint8_t *bytes, size_t size)
{
	char digits[2 * FIELD_BYTES_MAX + 1];
	for (size_t i = 0; i < size; i++)
		snprintf(digits + 2 * i, 3, "%02x", bytes[i]);
	return json_string(digits);
}

static bool hex_digit(char digit, uint8_t *out)
{
	if (digit >= '0' && digit <= '9')
		*out = (uint8_t)(digit - '0');
	else if (digit >= 'a' && digit <= 'f')
		*out = (uint8_t)(digit - 'a' + 10);
	else
		return false;
	return true;
}

static bool json_to_bytes(const json_t *json, uint8_t *out, size_t size)
{
	const char *text = json_string_value(json);
	if (text == NULL || strlen(text) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		uint8_t high, low;
		if (!hex_digit(text[2 * i], &high) || !hex_digit(text[2 * i + 1], &low))
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool json_to_pair(const json_t *json, uint64_t *out_first, uint64_t *out_second)
{
	return json_is_array(json) && json_array_size(json) == 2 &&
	       json_to_u64(json_array_get(json, 0), out_first) &&
	       json_to_u64(json_array_get(json, 1), out_second);
}

/* A text that is cut off in the middle of a letter, or was never UTF-8, is still said: other bytes
 * become '?'. */
json_t *field_text_to_json(const char *text)
{
	json_t *json = json_string(text);
	if (json != NULL)
		return json;
	char clean[CLEAN_SIZE];
	size_t i = 0;
	for (; text[i] != '\0' && i < sizeof(clean) - 1; i++)
		clean[i] = (char)((unsigned char)text[i] < 0x80 ? text[i] : '?');
	clean[i] = '\0';
	return json_string(clean);
}

/* ---- any kind ---- */

json_t *field_value_to_json(const struct field *field, const void *at)
{
	const struct epoch *epoch = at;
	const struct generation *generation = at;
	switch (field->kind) {
	case FIELD_BOOL: return json_boolean(*(const bool *)at);
	case FIELD_U8: return json_from_u64(*(const uint8_t *)at);
	case FIELD_U16: return json_from_u64(*(const uint16_t *)at);
	case FIELD_U32: return json_from_u64(*(const uint32_t *)at);
	case FIELD_U64: return json_from_u64(*(const uint64_t *)at);
	case FIELD_I64: return json_integer(*(const int64_t *)at);
	case FIELD_ERROR: return json_integer(*(const int *)at);
	case FIELD_TEXT: return field_text_to_json(at);
	case FIELD_WORD: return json_string(words_name(field->words, *(const unsigned int *)at));
	case FIELD_EPOCH:
		return json_pack("[o,o]", json_from_u64(epoch->number), json_from_u64(epoch->node));
	case FIELD_GENERATION:
		return json_pack(
			"[o,o]", json_from_u64(generation->number), json_from_u64(generation->tag));
	case FIELD_BYTES: return json_from_bytes(at, field->size);
	case FIELD_MAYBE:
		return *(const int8_t *)at < 0 ? json_null() : json_boolean(*(const int8_t *)at);
	case FIELD_STRING: return field_text_to_json(*(const char *const *)at);
	case FIELD_STRINGS:
	case FIELD_OBJECT:
	case FIELD_OBJECTS: /* fields.c */
	case FIELD_KIND_COUNT: break;
	}
	return NULL;
}

static bool word_from_json(const struct field *field, const json_t *json, unsigned int *out)
{
	const char *text = json_string_value(json);
	for (unsigned int i = 0; text != NULL && i < field->words->count; i++) {
		if (strcmp(field->words->list[i].name, text) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool number_from_json(const struct field *field, const json_t *json, void *at)
{
	uint64_t value;
	if (!json_to_u64(json, &value))
		return false;
	if (field->kind == FIELD_U64)
		*(uint64_t *)at = value;
	else if (field->kind == FIELD_U32 && value <= UINT32_MAX)
		*(uint32_t *)at = (uint32_t)value;
	else if (field->kind == FIELD_U16 && value <= UINT16_MAX)
		*(uint16_t *)at = (uint16_t)value;
	else if (field->kind == FIELD_U8 && value <= UINT8_MAX)
		*(uint8_t *)at = (uint8_t)value;
	else
		return false;
	return true;
}

static bool text_from_json(const struct field *field, const json_t *json, char *at)
{
	const char *text = json_string_value(json);
	if (text == NULL || strlen(text) != json_string_length(json))
		return false;
	size_t size = strlen(text);
	if (size >= field->size)
		return false;
	memcpy(at, text, size + 1);
	return true;
}

static bool error_from_json(const json_t *json, int *out)
{
	if (!json_is_integer(json) || json_integer_value(json) > 0 ||
		json_integer_value(json) < -ERRNO_MAX)
		return false;
	*out = (int)json_integer_value(json);
	return true;
}

bool field_value_from_json(const struct field *field, const json_t *json, void *at)
{
	uint64_t first, second;
	switch (field->kind) {
	case FIELD_BOOL: *(bool *)at = json_is_true(json); return json_is_boolean(json);
	case FIELD_U8:
	case FIELD_U16:
	case FIELD_U32:
	case FIELD_U64: return number_from_json(field, json, at);
	case FIELD_I64: *(int64_t *)at = json_integer_value(json); return json_is_integer(json);
	case FIELD_ERROR: return error_from_json(json, at);
	case FIELD_TEXT: return text_from_json(field, json, at);
	case FIELD_WORD: return word_from_json(field, json, at);
	case FIELD_EPOCH:
		if (!json_to_pair(json, &first, &second) || second > NODES_MAX)
			return false;
		*(struct epoch *)at = (struct epoch){ .number = first, .node = (uint8_t)second };
		return true;
	case FIELD_GENERATION:
		if (!json_to_pair(json, &first, &second))
			return false;
		*(struct generation *)at = (struct generation){ .number = first, .tag = second };
		return true;
	case FIELD_BYTES: return json_to_bytes(json, at, field->size);
	case FIELD_MAYBE:
		*(int8_t *)at = (int8_t)(json_is_null(json) ? -1 : json_is_true(json));
		return json_is_null(json) || json_is_boolean(json);
	case FIELD_STRING:
		*(const char **)at = json_string_value(json);
		return json_is_string(json);
	case FIELD_STRINGS:
	case FIELD_OBJECT:
	case FIELD_OBJECTS: break; /* fields.c */
	case FIELD_KIND_COUNT: break;
	}
	return false;
}
