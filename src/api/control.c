/*
 * Control messages as JSON: which fields each kind of message has, and where they lie.
 */
#include "api/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

/* clang-format off */
#define ROW(kind, member, name, words, unit, help) \
	FIELD(struct control_message, kind, member, name, words, unit, help)
/* The rows of a struct of core/fs.h, where it lies in a message. */
#define HELLO(kind, member, ...)    ROW(kind, hello.fs.member, __VA_ARGS__),
#define REPORT(kind, member, ...)   ROW(kind, report.member, __VA_ARGS__),
#define ORDER(kind, member, ...)    ROW(kind, order.member, __VA_ARGS__),
#define VERIFIED(kind, member, ...) ROW(kind, verified.copies.member, __VA_ARGS__),
#define LOOKED(kind, member, ...)   ROW(kind, looked.member, __VA_ARGS__),

static const struct field hello_fields[] = {
	ROW(TEXT, hello.module, "module", NULL, "", "that it serves"),
	ROW(I64, hello.pid, "pid", NULL, "", "its process"),
	FS_HELLO_FIELDS(HELLO)
};
static const struct field report_fields[] = { FS_REPORTED_FIELDS(REPORT) };
static const struct field store_fields[] = {
	ROW(TEXT, store.name, "name", NULL, "", "of the descriptor: fuse.0, ring.0, root.0, send_log"),
};
static const struct field verified_fields[] = {
	ROW(U32, verified.request, "request", NULL, "", "that this answers"),
	ROW(ERROR, verified.error, "error", NULL, "errno", "0: compared; else why it could not be done"),
	FS_VERIFIED_FIELDS(VERIFIED)
};
static const struct field looked_fields[] = { FS_LOOKED_FIELDS(LOOKED) };
static const struct field order_fields[] = { FS_ORDERED_FIELDS(ORDER) };
static const struct field stream_fields[] = {
	ROW(U8, stream.peer, "peer", NULL, "node id", "of the caller"),
};
static const struct field beat_fields[] = {
	ROW(TEXT, beat.bytes, "bytes", NULL, "hexadecimal", "of a datagram of daemon/mesh/beat_codec.c"),
};
static const struct field verify_fields[] = {
	ROW(U32, verify.request, "request", NULL, "", "to be named by the answer"),
};
static const struct field look_fields[] = {
	ROW(U32, look.number, "number", NULL, "", "of the question"),
};

const struct control_row control_rows[CONTROL_TYPE_COUNT] = {
	[CONTROL_HELLO]	   = { "hello",	   FIELDS(hello_fields),    true,  "the first thing that an evenkeel-fs says" },
	[CONTROL_REPORT]   = { "report",   FIELDS(report_fields),   true,  "something has come about" },
	[CONTROL_STORE]	   = { "store",	   FIELDS(store_fields),    true,  "keep the descriptor beside this for my successor, under this name" },
	[CONTROL_UNSTORE]  = { "unstore",  FIELDS(store_fields),    true,  "the descriptor of this name is no longer wanted" },
	[CONTROL_VERIFIED] = { "verified", FIELDS(verified_fields), true,  "answers verify" },
	[CONTROL_LOOKED]   = { "looked",   FIELDS(looked_fields),   true,  "answers look, once for each directory" },
	[CONTROL_BEAT_CAME] = { "beat_came", FIELDS(beat_fields),   true,  "the other node's evenkeeld sent this over the stream" },
	[CONTROL_ORDER]	   = { "order",	   FIELDS(order_fields),    false, "what to do now" },
	[CONTROL_STREAM]   = { "stream",   FIELDS(stream_fields),   false, "the TCP connection beside this was accepted, its preface is read and answered" },
	[CONTROL_VERIFY]   = { "verify",   FIELDS(verify_fields),   false, "compare the two copies" },
	[CONTROL_BEAT]	   = { "beat",	   FIELDS(beat_fields),	    false, "for the other node's evenkeeld, over the stream: the networks let no heartbeat pass" },
	[CONTROL_LOOK]	   = { "look",	   FIELDS(look_fields),	    false, "say at once what is seen of the mounts and of the disk below" },
};
/* clang-format on */

int control_encode(
	const struct control_message *message, char *out, size_t size_max, size_t *out_size)
{
	CHECK(message->type < CONTROL_TYPE_COUNT);
	const struct control_row *row = &control_rows[message->type];
	json_t *json = json_object();
	int error = 0;
	if (json_object_set_new(json, "type", json_string(row->name)) != 0)
		error = -ENOMEM;
	if (error == 0)
		error = fields_encode(&row->fields, message, json);
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

static int message_from_json(
	const json_t *json, struct control_message *out, struct fields_error *out_error)
{
	struct control_message message = { 0 };
	const char *name = json_string_value(json_object_get(json, "type"));
	int type = 0;
	while (name != NULL && type < CONTROL_TYPE_COUNT &&
		strcmp(control_rows[type].name, name) != 0)
		type++;
	if (name == NULL || type == CONTROL_TYPE_COUNT) {
		snprintf(out_error->sentence, sizeof(out_error->sentence),
			name == NULL ? "'type' is missing" : "there is no message '%.40s'", name);
		return -EPROTO;
	}
	message.type = (enum control_type)type;
	int error = fields_decode(&control_rows[type].fields, json, &message, out_error);
	if (error == 0)
		*out = message;
	return error;
}

int control_decode(const char *data, size_t size, struct control_message *out_message,
	struct fields_error *out_error)
{
	json_error_t wrong;
	json_t *json = json_loadb(data, size, JSON_REJECT_DUPLICATES, &wrong);
	if (json == NULL) {
		snprintf(out_error->sentence, sizeof(out_error->sentence), "no JSON: %.120s",
			wrong.text);
		return -EBADMSG;
	}
	int error = message_from_json(json, out_message, out_error);
	json_decref(json);
	return error;
}
