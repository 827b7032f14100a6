#include "api/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "core/record.h"

#define ERRNO_MAX     4095
#define CLEAN_SIZE    256 /* of a text that was no UTF-8 */
#define FOUND_SIZE    48  /* shown of what was found instead */
#define BYTES_MAX     64
#define EXPECTED_SIZE 192
#define U64_TEXT_SIZE 18 /* "0x" and 16 digits */

/* ---- each kind: its size in the struct, and what stands in the JSON ---- */

static const struct kind {
	size_t size; /* 0: any */
	const char *expected;
} kinds[FIELD_KIND_COUNT] = {
	[FIELD_BOOL] = { sizeof(bool), "true or false" },
	[FIELD_U8] = { sizeof(uint8_t), "a number of 0 to 255" },
	[FIELD_U16] = { sizeof(uint16_t), "a number of 0 to 65535" },
	[FIELD_U32] = { sizeof(uint32_t), "a number of 0 to 4294967295" },
	[FIELD_U64] = { sizeof(uint64_t),
		"a number of 64 bits; above 2^63-1 a text of \"0x\" and 16 digits" },
	[FIELD_I64] = { sizeof(int64_t), "a number" },
	[FIELD_ERROR] = { sizeof(int), "0 or a negative errno" },
	[FIELD_TEXT] = { 0, "a text" },
	[FIELD_WORD] = { sizeof(unsigned int), "a word" },
	[FIELD_EPOCH] = { sizeof(struct epoch), "[number, node]" },
	[FIELD_GENERATION] = { sizeof(struct generation), "[number, tag]" },
	[FIELD_BYTES] = { 0, "two digits (0-9, a-f) a byte" },
	[FIELD_MAYBE] = { sizeof(int8_t), "true, false or null" },
	[FIELD_STRING] = { sizeof(const char *), "a text" },
	[FIELD_STRINGS] = { 0, "a list of texts" },
	[FIELD_OBJECT] = { 0, "an object" },
	[FIELD_OBJECTS] = { sizeof(void *), "a list of objects" },
};

const char *field_kind_sentence(enum field_kind kind)
{
	CHECK(kind < FIELD_KIND_COUNT);
	return kinds[kind].expected;
}

static void check_row(const struct field *field)
{
	size_t size = kinds[field->kind].size;
	CHECK(size == 0 || size == field->size);
	CHECK(field->kind != FIELD_WORD || field->words != NULL);
	CHECK((field->kind != FIELD_OBJECT && field->kind != FIELD_OBJECTS) ||
		field->fields != NULL);
	CHECK(field->kind != FIELD_OBJECTS || field->item_size > 0);
	CHECK(field->kind != FIELD_BYTES || field->size <= BYTES_MAX);
}

static const void *data_at(const void *data, size_t offset)
{
	return (const char *)data + offset;
}

static void *data_at_for_change(void *data, size_t offset)
{
	return (char *)data + offset;
}

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
	char digits[2 * BYTES_MAX + 1];
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
static json_t *json_from_text(const char *text)
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

/* ---- one field ---- */

static json_t *object_from(const struct fields *fields, const void *data)
{
	json_t *object = json_object();
	if (object != NULL && fields_encode(fields, data, object) != 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *list_to_json(const struct field *field, const void *data)
{
	const void *at = data_at(data, field->offset);
	uint32_t count = *(const uint32_t *)data_at(data, field->count);
	json_t *list = json_array();
	for (uint32_t i = 0; i < count; i++) {
		json_t *item = field->kind == FIELD_STRINGS
				       ? json_from_text(((const char *const *)at)[i])
				       : object_from(field->fields,
						 *(const char *const *)at + i * field->item_size);
		if (json_array_append_new(list, item) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *field_to_json(const struct field *field, const void *data)
{
	const void *at = data_at(data, field->offset);
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
	case FIELD_TEXT: return json_from_text(at);
	case FIELD_WORD: return json_string(words_name(field->words, *(const unsigned int *)at));
	case FIELD_EPOCH:
		return json_pack("[o,o]", json_from_u64(epoch->number), json_from_u64(epoch->node));
	case FIELD_GENERATION:
		return json_pack(
			"[o,o]", json_from_u64(generation->number), json_from_u64(generation->tag));
	case FIELD_BYTES: return json_from_bytes(at, field->size);
	case FIELD_MAYBE:
		return *(const int8_t *)at < 0 ? json_null() : json_boolean(*(const int8_t *)at);
	case FIELD_STRING: return json_from_text(*(const char *const *)at);
	case FIELD_STRINGS:
	case FIELD_OBJECTS: return list_to_json(field, data);
	case FIELD_OBJECT: return object_from(field->fields, at);
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

static bool strings_from_json(const struct field *field, const json_t *json, void *data)
{
	const char **at = data_at_for_change(data, field->offset);
	size_t count = json_array_size(json);
	if (!json_is_array(json) || count > field->size / sizeof(*at))
		return false;
	for (size_t i = 0; i < count; i++) {
		at[i] = json_string_value(json_array_get(json, i));
		if (at[i] == NULL)
			return false;
	}
	*(uint32_t *)data_at_for_change(data, field->count) = (uint32_t)count;
	return true;
}

static bool field_from_json(const struct field *field, const json_t *json, void *at)
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
	case FIELD_OBJECTS: break; /* by decode_field() */
	case FIELD_KIND_COUNT: break;
	}
	return false;
}

static void say_expected(const struct field *field, char out[EXPECTED_SIZE])
{
	size_t size = 0;
	if (field->kind == FIELD_TEXT)
		snprintf(out, EXPECTED_SIZE, "a text of at most %zu bytes", field->size - 1);
	else
		snprintf(out, EXPECTED_SIZE, "%s", kinds[field->kind].expected);
	if (field->kind != FIELD_WORD)
		return;
	for (unsigned int i = 0; i < field->words->count && size < EXPECTED_SIZE; i++) {
		int more = snprintf(out + size, EXPECTED_SIZE - size, "%s%s",
			i == 0 ? "one of " : ", ", field->words->list[i].name);
		size += (size_t)more;
	}
}

static void say_wrong(
	const struct field *field, const json_t *found, struct fields_error *out_error)
{
	if (found == NULL) {
		snprintf(out_error->sentence, sizeof(out_error->sentence), "'%s' is missing",
			field->name);
		return;
	}
	char expected[EXPECTED_SIZE];
	char *text = json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
	say_expected(field, expected);
	snprintf(out_error->sentence, sizeof(out_error->sentence), "'%s': found %.*s; expected %s",
		field->name, FOUND_SIZE, text != NULL ? text : "something else", expected);
	free(text);
}

/* ---- whole structs ---- */

/* Whether the field is to be written. */
static bool is_there(const struct field *field, const void *data)
{
	if (field->kind == FIELD_STRING &&
		*(const char *const *)data_at(data, field->offset) == NULL)
		return false;
	return field->present == 0 || *(const bool *)data_at(data, field->present);
}

int fields_encode(const struct fields *fields, const void *data, json_t *object)
{
	for (unsigned int i = 0; i < fields->count; i++) {
		const struct field *field = &fields->list[i];
		check_row(field);
		if (is_there(field, data) &&
			json_object_set_new(object, field->name, field_to_json(field, data)) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int decode_objects(
	const struct field *field, const json_t *json, void *data, struct fields_error *out_error)
{
	size_t count = json_array_size(json);
	char *list = calloc(MAX_OF(count, (size_t)1), field->item_size);
	int error = list == NULL ? -ENOMEM : 0;
	if (error != 0)
		return error;
	*(char **)data_at_for_change(data, field->offset) = list;
	*(uint32_t *)data_at_for_change(data, field->count) = (uint32_t)count;
	for (size_t i = 0; error == 0 && i < count; i++)
		error = fields_decode(field->fields, json_array_get(json, i),
			list + i * field->item_size, out_error);
	return error;
}

static int decode_field(
	const struct field *field, const json_t *json, void *data, struct fields_error *out_error)
{
	void *at = data_at_for_change(data, field->offset);
	bool is_right = true;
	check_row(field);
	if (json == NULL && (field->kind == FIELD_STRING || field->present != 0))
		return 0;
	if (field->kind == FIELD_STRINGS)
		is_right = strings_from_json(field, json, data);
	else if (field->kind == FIELD_OBJECTS && json_is_array(json))
		return decode_objects(field, json, data, out_error);
	else if (field->kind == FIELD_OBJECT && json_is_object(json))
		is_right = true;
	else
		is_right = field_from_json(field, json, at);
	if (!is_right) {
		say_wrong(field, json, out_error);
		return -EPROTO;
	}
	if (field->present != 0)
		*(bool *)data_at_for_change(data, field->present) = true;
	return field->kind == FIELD_OBJECT ? fields_decode(field->fields, json, at, out_error) : 0;
}

int fields_decode(const struct fields *fields, const json_t *object, void *data,
	struct fields_error *out_error)
{
	int error = 0;
	for (unsigned int i = 0; i < fields->count && error == 0; i++) {
		const struct field *field = &fields->list[i];
		error = decode_field(field, json_object_get(object, field->name), data, out_error);
	}
	return error;
}
