/*
 * Beats between the nodes, over every network at once.
 *
 *	core --SEND_BEAT--> encode --+-- network 0 (libknet) --+--> first copy --> core
 *	                             +-- network 1 (libknet) --+
 *	                             +-- network 2 (libknet) --+    other copies: counted
 *
 * Each network is opened by a short-lived thread, because libknet takes a quarter of a second for
 * it; one that cannot be opened is tried again every second. Which links are up is what we hear on
 * them, not what libknet says (R21).
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/mesh/internal.h"
#include "platform/clock.h"

#define REOPEN_NS NS_PER_S
#define REPORT_NS (60 * NS_PER_S) /* foreign datagrams: one event a minute */

/* The newest datagram that counted, of one node on one network. */
struct heard {
	uint64_t nonce, counter;
	int64_t at_ns; /* ours; 0: never */
};

struct network {
	struct daemon_mesh *mesh;
	uint8_t index; /* in node_config.addresses */
	struct knet *knet;
	struct watch watch, change_watch;
	pthread_t opener;
	bool is_opening;
	struct knet *opened;	/* what the opener made */
	_Atomic int open_error; /* -EINPROGRESS until `opened` is there */
	bool is_open_error_said;
	struct heard heard[NODES_MAX + 1]; /* by node id */
	bool is_shown_up[NODES_MAX + 1];
};

struct daemon_mesh {
	struct daemon *daemon;
	uint8_t key[KNET_KEY_SIZE];
	struct watch opened_watch; /* eventfd: an opener has ended */
	struct timer tick;
	uint8_t network_count;
	struct network networks[LINKS_MAX];
	struct streamed streamed;
	struct mesh_counters counters;
	struct mesh_counters reported;
	int64_t reported_ns;
	int64_t sent_ns[NODES_MAX +
			1]; /* by node, its clock: of its newest datagram that counted */
	struct summary out_summaries[MODULES_MAX];
	struct beat_name out_names[MODULES_MAX];
	struct summary in_summaries[BEAT_SUMMARIES_MAX];
	struct beat_name in_names[BEAT_SUMMARIES_MAX];
};

/* ---- opening ---- */

static int open_network(struct network *network, struct knet **out_knet)
{
	const struct daemon *daemon = network->mesh->daemon;
	const struct cluster_config *cluster = &daemon->cluster;
	struct knet_node self = { .id = daemon->self->id,
		.address = daemon->self->addresses[network->index] };
	struct knet *knet;

	int error = knet_open(
		&self, (uint16_t)(cluster->port + network->index), network->mesh->key, &knet);
	for (uint8_t i = 0; error == 0 && i < cluster->node_count; i++) {
		const struct node_config *node = &cluster->nodes[i];
		if (node->id == daemon->self->id || network->index >= node->address_count)
			continue;
		error = knet_add_node(knet, &(struct knet_node){ .id = node->id,
						    .address = node->addresses[network->index] });
		if (error != 0)
			knet_close(knet);
	}
	if (error == 0)
		*out_knet = knet;
	return error;
}

static void *run_opener(void *owner)
{
	struct network *network = owner;
	const uint64_t one = 1;

	network->open_error = open_network(network, &network->opened);
	(void)!write(network->mesh->opened_watch.fd, &one, sizeof(one)); /* cannot be full */
	return NULL;
}

static void start_opener(struct network *network)
{
	network->opened = NULL;
	network->open_error = -EINPROGRESS;
	network->is_opening = pthread_create(&network->opener, NULL, run_opener, network) == 0;
}

static void say_open_error(struct network *network)
{
	if (network->is_open_error_said)
		return;
	network->is_open_error_said = true;
	daemon_log(network->mesh->daemon, NULL, SEVERITY_WARNING, "mesh.network_failed",
		"Beats cannot use network %u (UDP port %u): %s. Trying again every second; see "
		"that this node's address there exists and that nothing else uses the port.",
		network->index + 1, network->mesh->daemon->cluster.port + network->index,
		strerror(-network->open_error));
}

/* ---- receiving ---- */

static void report_foreign(struct daemon_mesh *mesh)
{
	const struct mesh_counters *now = &mesh->counters, *then = &mesh->reported;
	int64_t now_ns = clock_boot_ns();
	uint64_t garbage = now->garbage - then->garbage;
	uint64_t versions = now->other_version - then->other_version;

	if (garbage + versions == 0 ||
		(mesh->reported_ns != 0 && now_ns - mesh->reported_ns < REPORT_NS))
		return;
	mesh->reported_ns = now_ns;
	mesh->reported = *now;
	daemon_log(mesh->daemon, NULL, SEVERITY_WARNING, "mesh.foreign",
		"A node that has the cluster's secret sends what this one cannot read: %llu "
		"datagrams of another protocol version, %llu damaged. Is one being upgraded? Both "
		"must run the same version of evenkeel in the end.",
		(unsigned long long)versions, (unsigned long long)garbage);
}

static void show_link(struct network *network, const struct node_config *node, bool is_up)
{
	if (network->is_shown_up[node->id] == is_up)
		return;
	network->is_shown_up[node->id] = is_up;
	daemon_log(network->mesh->daemon, NULL, is_up ? SEVERITY_INFO : SEVERITY_WARNING,
		is_up ? "mesh.link_up" : "mesh.link_down", "Network %u: %s %s.", network->index + 1,
		node->name, is_up ? "is heard" : "is no longer heard");
}

/*
 * A network is heard by what counts, or is a copy of it that came over another network first. What
 * was recorded, here or elsewhere, says nothing: it is older than what came since (R21).
 */
static void hear_network(struct network *network, const struct node_config *node,
	const struct beat *beat, enum beat_worth worth)
{
	struct heard *heard = &network->heard[node->id];
	int64_t *newest_ns = &network->mesh->sent_ns[node->id];

	if (worth == BEAT_COUNTS)
		*newest_ns = beat->sent_ns;
	bool is_new = worth == BEAT_COUNTS || heard->nonce != beat->boot_nonce ||
		      beat->counter > heard->counter;
	if (!is_new || *newest_ns - beat->sent_ns > network->mesh->daemon->cluster.silence_ns)
		return;
	*heard = (struct heard){
		.nonce = beat->boot_nonce, .counter = beat->counter, .at_ns = clock_boot_ns()
	};
	show_link(network, node, true);
}

/* network: NULL if it came over a stream. */
static void on_datagram(struct daemon_mesh *mesh, struct network *network, struct bytes bytes)
{
	struct event event = { .type = EVENT_BEAT_HEARD };
	uint8_t to = 0;

	int error = beat_decode(bytes, mesh->in_summaries, mesh->in_names, &event.beat, &to);
	const struct node_config *node =
		error == 0 ? config_node_by_id(&mesh->daemon->cluster, event.beat.from) : NULL;
	if (error == -EPROTO)
		mesh->counters.other_version++;
	else if (error != 0 || node == NULL || node == mesh->daemon->self ||
		 to != mesh->daemon->self->id)
		mesh->counters.garbage++;
	if (error != 0 || node == NULL || to != mesh->daemon->self->id) {
		report_foreign(mesh);
		return;
	}
	event.beat.is_streamed = network == NULL;
	enum beat_worth worth = core_weigh_beat(mesh->daemon->core, &event.beat, clock_boot_ns());
	if (network != NULL && (worth == BEAT_COUNTS || worth == BEAT_AGAIN))
		hear_network(network, node, &event.beat, worth);
	if (network != NULL || worth == BEAT_COUNTS)
		streamed_say(mesh->daemon, &mesh->streamed, node, network == NULL);
	if (worth == BEAT_WORTHLESS || worth == BEAT_AGAIN)
		return;
	mesh->counters.beats_heard++;
	/* What a life says that has proved nothing may be long out of date. */
	event.beat.summary_count = worth == BEAT_UNPROVEN
					   ? 0
					   : mesh_find_ours(mesh->daemon, node, mesh->in_summaries,
						     mesh->in_names, event.beat.summary_count);
	daemon_post(mesh->daemon, &event);
}

static void on_readable(void *owner, uint32_t events)
{
	struct network *network = owner;
	uint8_t data[KNET_DATAGRAM_MAX];
	size_t size;

	(void)events;
	if (network->knet == NULL || knet_receive(network->knet, data, sizeof(data), &size) != 0)
		return; /* nothing after all */
	on_datagram(network->mesh, network, (struct bytes){ .data = data, .size = size });
}

void mesh_on_streamed(struct module *module, const char *text)
{
	uint8_t data[STREAMED_BEAT_MAX / 2];
	size_t size;

	if (streamed_decode(text, data, &size) == 0)
		on_datagram(
			module->daemon->mesh, NULL, (struct bytes){ .data = data, .size = size });
}

/* The first beat need not wait for the next one's time: after a restart every 100 ms count. */
static void on_change(void *owner, uint32_t events)
{
	struct network *network = owner;
	uint64_t count;

	(void)events;
	(void)!read(network->change_watch.fd, &count, sizeof(count)); /* only to quieten it */
	mesh_send(network->mesh->daemon, false);
}

/* ---- the ends of openers, and the tick ---- */

static void take_opened(struct network *network)
{
	if (!network->is_opening || network->open_error == -EINPROGRESS)
		return;
	(void)pthread_join(network->opener, NULL);
	network->is_opening = false;
	if (network->open_error != 0) {
		say_open_error(network);
		return;
	}
	network->is_open_error_said = false;
	network->knet = network->opened;
	network->watch = (struct watch){
		.fd = knet_fd(network->knet), .owner = network, .on_ready = on_readable
	};
	network->change_watch = (struct watch){
		.fd = knet_change_fd(network->knet), .owner = network, .on_ready = on_change
	};
	struct loop *loop = &network->mesh->daemon->loop;
	int error = loop_add(loop, &network->watch, EPOLLIN);
	if (error == 0)
		error = loop_add(loop, &network->change_watch, EPOLLIN);
	CHECK(error == 0);
}

static void on_opened(void *owner, uint32_t events)
{
	struct daemon_mesh *mesh = owner;
	uint64_t count;

	(void)events;
	(void)!read(mesh->opened_watch.fd, &count, sizeof(count)); /* only to quieten it */
	for (uint8_t i = 0; i < mesh->network_count; i++)
		take_opened(&mesh->networks[i]);
}

static void on_tick(void *owner)
{
	struct daemon_mesh *mesh = owner;
	const struct cluster_config *cluster = &mesh->daemon->cluster;
	int64_t now_ns = clock_boot_ns();

	for (uint8_t i = 0; i < mesh->network_count; i++) {
		struct network *network = &mesh->networks[i];
		if (network->knet == NULL && !network->is_opening)
			start_opener(network);
		for (uint8_t n = 0; n < cluster->node_count; n++) {
			const struct node_config *node = &cluster->nodes[n];
			if (now_ns - network->heard[node->id].at_ns > cluster->silence_ns)
				show_link(network, node, false);
		}
	}
	report_foreign(mesh);
	loop_arm(&mesh->daemon->loop, &mesh->tick, now_ns + REOPEN_NS);
}

/* ---- sending ---- */

static void send_datagram(struct network *network, struct bytes bytes, bool is_goodbye)
{
	if (network->knet == NULL)
		return;
	/* A network that cannot send now is seen by its silence. */
	if (is_goodbye)
		(void)!knet_send_now(network->knet, bytes.data, bytes.size);
	else
		(void)!knet_send_queued(network->knet, bytes.data, bytes.size);
}

static void send_to_node(
	struct daemon_mesh *mesh, const struct node_config *node, const struct beat *beat)
{
	uint8_t data[BEAT_DATAGRAM_MAX];
	struct beat_envelope envelope = { .to = node->id };
	size_t size;

	do {
		int error = beat_encode(beat, mesh->out_names, &envelope, data, &size);
		CHECK(error == 0); /* limits are asserted in beat_codec.c */
		for (uint8_t i = 0; i < mesh->network_count && i < node->address_count; i++)
			send_datagram(&mesh->networks[i],
				(struct bytes){ .data = data, .size = size }, beat->is_goodbye);
		mesh->counters.beats_sent++;
	} while (envelope.first < beat->summary_count);
}

void mesh_send(struct daemon *daemon, bool is_goodbye)
{
	struct daemon_mesh *mesh = daemon->mesh;
	const struct cluster_config *cluster = &daemon->cluster;

	uint16_t count = core_summaries(daemon->core, mesh->out_summaries, MODULES_MAX);
	count = mesh_name_ours(daemon, mesh->out_summaries, mesh->out_names, count);
	for (uint8_t i = 0; i < cluster->node_count; i++) {
		struct beat beat;
		if (&cluster->nodes[i] == daemon->self)
			continue;
		core_beat(daemon->core, cluster->nodes[i].id, clock_boot_ns(), &beat);
		beat.summary_count = count;
		beat.summaries = mesh->out_summaries;
		beat.is_goodbye = beat.is_goodbye || is_goodbye;
		send_to_node(mesh, &cluster->nodes[i], &beat);
		streamed_send(daemon, &mesh->streamed,
			&(struct streamed_beat){ .to = &cluster->nodes[i],
				.summaries = mesh->out_summaries,
				.names = mesh->out_names,
				.count = count,
				.is_goodbye = is_goodbye });
	}
}

bool mesh_link_is_up(const struct daemon *daemon, uint8_t node, uint8_t index)
{
	const struct daemon_mesh *mesh = daemon->mesh;

	return node >= 1 && node <= NODES_MAX && index < mesh->network_count &&
	       mesh->networks[index].is_shown_up[node];
}

void mesh_count(const struct daemon *daemon, struct mesh_counters *out_counters)
{
	*out_counters = daemon->mesh->counters;
}

/* ---- open and close ---- */

int mesh_open(struct daemon *daemon)
{
	struct daemon_mesh *mesh = calloc(1, sizeof(*mesh));
	if (mesh == NULL)
		return -ENOMEM;
	mesh->daemon = daemon;
	mesh->network_count = daemon->self->address_count;
	mesh->tick = (struct timer){ .owner = mesh, .on_due = on_tick };
	mesh->opened_watch = (struct watch){ .owner = mesh, .on_ready = on_opened };
	mesh->opened_watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	daemon->mesh = mesh;
	int error = mesh_derive_key(daemon, mesh->key);
	if (error == 0)
		error = loop_add(&daemon->loop, &mesh->opened_watch, EPOLLIN);
	for (uint8_t i = 0; error == 0 && i < mesh->network_count; i++) {
		mesh->networks[i].mesh = mesh;
		mesh->networks[i].index = i;
		start_opener(&mesh->networks[i]);
	}
	if (error == 0)
		loop_arm(&daemon->loop, &mesh->tick, clock_boot_ns() + REOPEN_NS);
	return error;
}

/* libknet's own threads end with the process; taking each handle down would cost seconds. */
void mesh_close(struct daemon *daemon)
{
	struct daemon_mesh *mesh = daemon->mesh;

	if (mesh == NULL)
		return;
	loop_disarm(&daemon->loop, &mesh->tick);
	for (uint8_t i = 0; i < mesh->network_count; i++) {
		if (mesh->networks[i].is_opening)
			(void)pthread_join(mesh->networks[i].opener, NULL);
		loop_remove(&daemon->loop, &mesh->networks[i].watch);
		loop_remove(&daemon->loop, &mesh->networks[i].change_watch);
	}
	loop_remove(&daemon->loop, &mesh->opened_watch);
	close(mesh->opened_watch.fd);
	explicit_bzero(mesh->key, sizeof(mesh->key));
	free(mesh);
	daemon->mesh = NULL;
}
