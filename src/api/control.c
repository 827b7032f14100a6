/*
 * Control messages as JSON.
 *
 * Each kind of message is a list of rows: key, type, place in the struct. One walk writes them, one
 * reads them. Numbers are unsigned 64 bit; what JSON's signed integers do not hold (random tags)
 * stands as a text of hexadecimal digits.
 */
#include "api/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* clang-format off */
enum field_type { FIELD_TEXT, FIELD_U64, FIELD_U32, FIELD_U8, FIELD_I64, FIELD_ERROR, FIELD_BOOL, FIELD_WORD,
		  FIELD_EPOCH, FIELD_GENERATION, FIELD_SET_ID };

struct field {
	const char *key;
	enum field_type type;
	size_t offset, size;
	const char *const *words;
	unsigned int word_count;
};

#define F(key, type, field) { key, type, offsetof(struct control_message, field), \
	sizeof(((struct control_message *)0)->field), NULL, 0 }
#define W(key, field, names) { key, FIELD_WORD, offsetof(struct control_message, field), \
	sizeof(((struct control_message *)0)->field), names, ARRAY_COUNT(names) }

static const struct field hello_fields[] = {
	F("module", FIELD_TEXT, hello.module), F("pid", FIELD_I64, hello.pid), W("role", hello.fs.role, fs_role_names),
	W("link", hello.fs.link, fs_link_names), F("epoch", FIELD_EPOCH, hello.fs.epoch), F("behind", FIELD_BOOL, hello.fs.is_behind),
	F("barrier", FIELD_U64, hello.fs.barrier), F("peer_barrier", FIELD_U64, hello.fs.peer_barrier), { 0 },
};
static const struct field report_fields[] = {
	W("report", report.report, fs_report_names), F("epoch", FIELD_EPOCH, report.epoch),
	F("behind", FIELD_BOOL, report.is_behind), F("continued", FIELD_BOOL, report.is_continued),
	F("barrier", FIELD_U64, report.barrier), F("peer_barrier", FIELD_U64, report.peer_barrier),
	F("done", FIELD_U64, report.done), F("total", FIELD_U64, report.total), F("error", FIELD_ERROR, report.error),
	F("detail", FIELD_TEXT, report.detail), { 0 },
};
static const struct field store_fields[] = { F("name", FIELD_TEXT, store.name), { 0 } };
static const struct field verified_fields[] = {
	F("request", FIELD_U32, verified.request), F("error", FIELD_ERROR, verified.error),
	F("objects", FIELD_U64, verified.objects), F("bytes", FIELD_U64, verified.bytes),
	F("differences", FIELD_U64, verified.differences), F("detail", FIELD_TEXT, verified.detail), { 0 },
};
static const struct field order_fields[] = {
	W("order", order.order, fs_order_names), F("epoch", FIELD_EPOCH, order.epoch),
	F("generation", FIELD_GENERATION, order.generation), W("plan", order.plan, resync_plan_names),
	F("set_id", FIELD_SET_ID, order.set_id), F("forced", FIELD_BOOL, order.is_forced), { 0 },
};
static const struct field stream_fields[] = { F("peer", FIELD_U8, stream.peer), { 0 } };
static const struct field verify_fields[] = { F("request", FIELD_U32, verify.request), { 0 } };

static const struct {
	const char *name;
	const struct field *fields;
} types[CONTROL_TYPE_COUNT] = {
	[CONTROL_HELLO] = { "hello", hello_fields },	   [CONTROL_REPORT] = { "report", report_fields },
	[CONTROL_STORE] = { "store", store_fields },	   [CONTROL_UNSTORE] = { "unstore", store_fields },
	[CONTROL_VERIFIED] = { "verified", verified_fields }, [CONTROL_ORDER] = { "order", order_fields },
	[CONTROL_STREAM] = { "stream", stream_fields },	   [CONTROL_VERIFY] = { "verify", verify_fields },
};
/* clang-format on */

/* ---- numbers and sets of bytes ---- */

static json_t *json_from_u64(uint64_t value)
{
	char digits[19];
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
	if (text == NULL || strncmp(text, "0x", 2) != 0 || strlen(text) != 18)
		return false;
	*out = strtoull(text, &end, 16);
	return *end == '\0';
}

static json_t *json_from_set_id(const uint8_t *bytes)
{
	char digits[2 * SET_ID_SIZE + 1];
	for (int i = 0; i < SET_ID_SIZE; i++)
		snprintf(digits + 2 * (size_t)i, 3, "%02x", bytes[i]);
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

static bool json_to_set_id(const json_t *json, uint8_t *out)
{
	const char *text = json_string_value(json);
	if (text == NULL || strlen(text) != (size_t)2 * SET_ID_SIZE)
		return false;
	for (size_t i = 0; i < SET_ID_SIZE; i++) {
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
	char clean[FS_DETAIL_MAX + CONTROL_NAME_MAX];
	size_t i = 0;
	for (; text[i] != '\0' && i < sizeof(clean) - 1; i++)
		clean[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	clean[i] = '\0';
	return json_string(clean);
}

/* ---- one field ---- */

static json_t *field_to_json(const struct field *field, const struct control_message *message)
{
	const void *at = (const char *)message + field->offset;
	const struct epoch *epoch = at;
	const struct generation *generation = at;
	switch (field->type) {
	case FIELD_TEXT: return json_from_text(at);
	case FIELD_U64: return json_from_u64(*(const uint64_t *)at);
	case FIELD_U32: return json_from_u64(*(const uint32_t *)at);
	case FIELD_U8: return json_from_u64(*(const uint8_t *)at);
	case FIELD_I64: return json_integer(*(const int64_t *)at);
	case FIELD_ERROR: return json_integer(*(const int *)at);
	case FIELD_BOOL: return json_boolean(*(const bool *)at);
	case FIELD_WORD:
		CHECK(*(const unsigned int *)at < field->word_count);
		return json_string(field->words[*(const unsigned int *)at]);
	case FIELD_EPOCH:
		return json_pack("[o,o]", json_from_u64(epoch->number), json_from_u64(epoch->node));
	case FIELD_GENERATION:
		return json_pack(
			"[o,o]", json_from_u64(generation->number), json_from_u64(generation->tag));
	case FIELD_SET_ID: return json_from_set_id(at);
	}
	return NULL;
}

static bool word_from_json(const struct field *field, const json_t *json, unsigned int *out)
{
	const char *text = json_string_value(json);
	for (unsigned int i = 0; text != NULL && i < field->word_count; i++) {
		if (strcmp(field->words[i], text) == 0) {
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
	if (field->type == FIELD_U64)
		*(uint64_t *)at = value;
	else if (field->type == FIELD_U32 && value <= UINT32_MAX)
		*(uint32_t *)at = (uint32_t)value;
	else if (field->type == FIELD_U8 && value <= UINT8_MAX)
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
		json_integer_value(json) < -4095)
		return false;
	*out = (int)json_integer_value(json);
	return true;
}

static bool field_from_json(
	const struct field *field, const json_t *json, struct control_message *message)
{
	void *at = (char *)message + field->offset;
	uint64_t first, second;
	switch (field->type) {
	case FIELD_TEXT: return text_from_json(field, json, at);
	case FIELD_U64:
	case FIELD_U32:
	case FIELD_U8: return number_from_json(field, json, at);
	case FIELD_I64: *(int64_t *)at = json_integer_value(json); return json_is_integer(json);
	case FIELD_ERROR: return error_from_json(json, at);
	case FIELD_BOOL: *(bool *)at = json_is_true(json); return json_is_boolean(json);
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
	case FIELD_SET_ID: return json_to_set_id(json, at);
	}
	return false;
}

/* ---- whole messages ---- */

int control_encode(
	const struct control_message *message, char *out, size_t size_max, size_t *out_size)
{
	int error = 0;
	CHECK(message->type < CONTROL_TYPE_COUNT);
	json_t *json = json_object();
	if (json_object_set_new(json, "type", json_string(types[message->type].name)) != 0)
		error = -ENOMEM;
	for (const struct field *field = types[message->type].fields; field->key != NULL; field++) {
		if (json_object_set_new(json, field->key, field_to_json(field, message)) != 0)
			error = -ENOMEM;
	}
	size_t size = error == 0 ? json_dumpb(json, out, size_max, JSON_COMPACT) : 0;
	if (error == 0 && size == 0)
		error = -ENOMEM;
	if (error == 0 && size > size_max)
		error = -ERANGE;
	if (error == 0)
		*out_size = size;
	json_decref(json);
	return error;
}

static int message_from_json(const json_t *json, struct control_message *out)
{
	struct control_message message = { 0 };
	const char *name = json_string_value(json_object_get(json, "type"));
	int type = 0;
	while (name != NULL && type < CONTROL_TYPE_COUNT && strcmp(types[type].name, name) != 0)
		type++;
	if (name == NULL || type == CONTROL_TYPE_COUNT)
		return -EPROTO;
	message.type = (enum control_type)type;
	for (const struct field *field = types[type].fields; field->key != NULL; field++) {
		if (!field_from_json(field, json_object_get(json, field->key), &message))
			return -EPROTO;
	}
	*out = message;
	return 0;
}

int control_decode(const char *data, size_t size, struct control_message *out_message)
{
	json_t *json = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL);
	if (json == NULL)
		return -EBADMSG;
	int error = message_from_json(json, out_message);
	json_decref(json);
	return error;
}
