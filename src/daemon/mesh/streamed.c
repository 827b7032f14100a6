/*
 * Beats over the streams of replication (R16, R21): when all networks let no heartbeat pass, a stream
 * that lives contradicts the silence. It is authenticated, and the beats in it are the same, echoes
 * included; so the core needs to know nothing of it.
 *
 *	core --SEND_BEAT--> mesh.c --> networks
 *	                       |
 *	                       +--> this, while no beat of ours is echoed --> evenkeel-fs ==stream==>
 *
 * Each stream carries the summary of its own module. It may be full: then a beat comes late, which
 * its echo shows. Not for: the streams (fs/replicator), freshness (core).
 */
#include <errno.h>
#include <string.h>

#include "daemon/guests/guests.h"
#include "daemon/mesh/internal.h"
#include "daemon/modules.h"
#include "platform/clock.h"

#define UNHEARD_NS \
	(500 * NS_PER_MS) /* without an echo: two beats, and half of what holds answers */
#define ALSO_FOR_NS	(5 * NS_PER_S) /* from then on, heard or not: a way that works is not left */
#define MODULES_AT_ONCE 16

_Static_assert(BEAT_ONE_MAX * 2 <= STREAMED_BEAT_MAX, "a beat of one module fits");

static void encode(const uint8_t *data, size_t size, char out[STREAMED_BEAT_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";

	CHECK(size * 2 <= STREAMED_BEAT_MAX);
	for (size_t i = 0; i < size; i++) {
		out[2 * i] = digits[data[i] >> 4];
		out[2 * i + 1] = digits[data[i] & 15];
	}
	out[2 * size] = '\0';
}

int streamed_decode(const char *text, uint8_t out[STREAMED_BEAT_MAX / 2], size_t *out_size)
{
	size_t size = strnlen(text, STREAMED_BEAT_MAX + 1);

	if (size % 2 != 0 || size > STREAMED_BEAT_MAX)
		return -EBADMSG;
	if (!mesh_decode_hex(text, size / 2, out))
		return -EBADMSG;
	*out_size = size / 2;
	return 0;
}

static void send_one(struct daemon *daemon, const struct streamed_beat *sent, uint16_t index)
{
	struct beat_envelope envelope = { .to = sent->to->id };
	struct module *module = daemon_module_by_number(daemon, sent->summaries[index].module);
	char text[STREAMED_BEAT_MAX + 1];
	uint8_t data[BEAT_DATAGRAM_MAX];
	struct beat beat;
	size_t size;

	if (module == NULL || daemon_peer(daemon, module) != sent->to)
		return;
	core_beat(daemon->core, sent->to->id, clock_boot_ns(), &beat);
	beat.summaries = &sent->summaries[index];
	beat.summary_count = 1;
	beat.is_goodbye = beat.is_goodbye || sent->is_goodbye;
	int error = beat_encode(&beat, &sent->names[index], &envelope, data, &size);
	CHECK(error == 0);
	encode(data, size, text);
	(void)fs_send_beat(module, text); /* no stream there: another module's may stand */
}

void streamed_send(
	struct daemon *daemon, struct streamed *streamed, const struct streamed_beat *sent)
{
	int64_t now_ns = clock_boot_ns();
	int64_t *until_ns = &streamed->until_ns[sent->to->id];

	if (core_two_way_age_ns(daemon->core, sent->to->id, now_ns) >= UNHEARD_NS)
		*until_ns = now_ns + ALSO_FOR_NS;
	if (now_ns >= *until_ns || sent->count == 0)
		return;
	for (int i = 0; i < MODULES_AT_ONCE && i < sent->count; i++)
		send_one(daemon, sent, (uint16_t)(streamed->next++ % sent->count));
}

void streamed_say(struct daemon *daemon, struct streamed *streamed, const struct node_config *node,
	bool is_needed)
{
	bool is_heard = false;

	for (uint8_t i = 0; i < node->address_count; i++)
		is_heard = is_heard || mesh_link_is_up(daemon, node->id, i);
	is_needed = is_needed && !is_heard;
	if (is_needed == streamed->is_said[node->id] || (!is_needed && !is_heard))
		return;
	streamed->is_said[node->id] = is_needed;
	if (is_needed)
		daemon_log(daemon, NULL, SEVERITY_WARNING, "mesh.streamed",
			"No heartbeat of %s passes on any network, but the stream of replication "
			"stands: heartbeats go over that, and nothing is dropped. Is UDP filtered? "
			"Let UDP ports %u to %u pass between the nodes; if the stream breaks as "
			"well, the nodes lose each other.",
			node->name, daemon->cluster.port,
			daemon->cluster.port + daemon->self->address_count - 1);
	else
		daemon_log(daemon, NULL, SEVERITY_INFO, "mesh.streamed_over",
			"Heartbeats of %s pass on a network again.", node->name);
}
