#include "api/fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/fields_internal.h"
#include "core/record.h"

#define FOUND_SIZE    48 /* shown of what was found instead */
#define EXPECTED_SIZE 192

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
	CHECK(field->kind != FIELD_BYTES || field->size <= FIELD_BYTES_MAX);
}

static const void *data_at(const void *data, size_t offset)
{
	return (const char *)data + offset;
}

static void *data_at_for_change(void *data, size_t offset)
{
	return (char *)data + offset;
}

/* ---- out ---- */

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
				       ? field_text_to_json(((const char *const *)at)[i])
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
	if (field->kind == FIELD_STRINGS || field->kind == FIELD_OBJECTS)
		return list_to_json(field, data);
	if (field->kind == FIELD_OBJECT)
		return object_from(field->fields, at);
	return field_value_to_json(field, at);
}

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

/* ---- in ---- */

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
		is_right = field_value_from_json(field, json, at);
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
