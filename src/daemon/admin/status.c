/*
 * The status of a node: the cluster, who is heard on which network, what the arbiter can promise,
 * and each module in the core's own words. Filled in here, written by the tables of api/status.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/control.h"
#include "api/status.h"
#include "daemon/addresses/addresses.h"
#include "daemon/admin/internal.h"
#include "daemon/checks/checks.h"
#include "daemon/mesh/mesh.h"
#include "platform/clock.h"

static const char *node_name(const struct daemon *daemon, uint8_t id)
{
	const struct node_config *node = config_node_by_id(&daemon->cluster, id);
	return node != NULL ? node->name : "";
}

/* ---- the cluster ---- */

struct address_texts {
	char of[LINKS_MAX][ADDRESS_TEXT_SIZE];
};

struct shown_cluster_parts { /* what the texts of the cluster's part point to */
	struct shown_node nodes[NODES_MAX];
	struct shown_address addresses[NODES_MAX][LINKS_MAX];
	struct address_texts texts[NODES_MAX];
	char target[ADDRESS_TEXT_SIZE], promise[SENTENCE_SIZE_MAX];
};

static void fill_node(const struct daemon *daemon, int index, struct shown_cluster_parts *parts)
{
	const struct node_config *node = &daemon->cluster.nodes[index];
	struct shown_address *addresses = parts->addresses[index];
	bool is_self = node->id == daemon->self->id;
	for (uint8_t i = 0; i < node->address_count; i++)
		addresses[i] = (struct shown_address){
			.address = address_format(&node->addresses[i], parts->texts[index].of[i]),
			.has_up = !is_self,
			.is_up = !is_self && mesh_link_is_up(daemon, node->id, i),
		};
	parts->nodes[index] = (struct shown_node){ .name = node->name,
		.id = node->id,
		.is_self = is_self,
		.addresses = addresses,
		.address_count = node->address_count };
}

/* What the arbiter can promise, said all the time (R3). reachable: 1, 0, or -1: not known yet. */
static void fill_arbiter(const struct daemon *daemon, int8_t reachable,
	struct shown_cluster_parts *parts, struct shown_arbiter *out)
{
	if (daemon->cluster.arbiter == ARBITER_OPERATOR) {
		*out = (struct shown_arbiter){ .kind = "operator",
			.promise = "a person decides: when a node is lost, the other does not go "
				   "on by itself; all promises hold" };
		return;
	}
	const char *target = address_format(&daemon->cluster.ping_target, parts->target);
	if (reachable == 0)
		snprintf(parts->promise, sizeof(parts->promise),
			"%s does not answer this node: it could not go on alone now; check the "
			"network to it",
			target);
	else
		snprintf(parts->promise, sizeof(parts->promise),
			"a guess: when a node is lost, the one that reaches %s goes on; if the "
			"nodes "
			"only lose each other and both reach it, both may serve, and one side's "
			"writes are kept aside",
			target);
	*out = (struct shown_arbiter){ .kind = "ping",
		.target = target,
		.has_reachable = true,
		.reachable = reachable,
		.promise = parts->promise };
}

static struct shown_counters counters_of(const struct daemon *daemon)
{
	struct mesh_counters counters;
	mesh_count(daemon, &counters);
	return (struct shown_counters){ .beats_sent = counters.beats_sent,
		.beats_heard = counters.beats_heard,
		.garbage = counters.garbage,
		.other_version = counters.other_version };
}

/* ---- one module ---- */

struct shown_module_parts { /* what the texts of a module point to */
	struct status status;
	char error[SENTENCE_SIZE_MAX + 160];
	char trouble[SENTENCE_SIZE_MAX];
	char since[CLOCK_TEXT_SIZE];
	char addresses[ADDRESSES_MAX][ADDRESS_TEXT_SIZE];
};

static void fill_peer(struct shown_module *out, const struct status *status, const char *peer)
{
	out->peer = peer;
	out->is_peer_heard = status->is_peer_heard;
	if (!status->is_peer_heard)
		return;
	out->peer_state = module_state_name(status->peer_state);
	out->peer_readiness = readiness_name(status->peer_readiness);
}

static void fill_settings(struct shown_module *out, const struct module_settings *settings,
	struct shown_module_parts *parts)
{
	out->has_settings = true;
	out->kind = config_kind_name(settings->kind);
	out->number = settings->number;
	for (int i = 0; i < settings->directory_count; i++)
		out->directories[out->directory_count++] = settings->directories[i];
	for (int i = 0; i < settings->address_count; i++)
		out->addresses[out->address_count++] =
			address_format(&settings->addresses[i].address, parts->addresses[i]);
	if (settings->kind == KIND_MIRROR)
		out->durability = settings->durability == DURABILITY_CALL ? "call" : "fsync";
}

static void fill_record(
	struct shown_module *out, const struct daemon *daemon, const struct record *record)
{
	out->epoch = record->epoch.number;
	out->generation = record->generation.number;
	for (uint8_t id = 1; id <= NODES_MAX; id++) {
		if ((record->good & BIT64(id - 1)) != 0)
			out->good[out->good_count++] = node_name(daemon, id);
	}
	out->holder = node_name(daemon, record->holder);
	out->is_complete = record->is_complete;
}

static void fill_fs(struct shown_module *out, const struct summary *summary)
{
	out->fs = fs_role_name(summary->fs_role);
	out->link = fs_link_name(summary->fs_link);
}

/* What the configuration of the other node says otherwise, while it is heard saying it. */
static const char *disagreement_of(const struct daemon *daemon, const struct module *module)
{
	int64_t age_ns = clock_boot_ns() - module->disagreement_ns;
	bool is_heard = age_ns < daemon->cluster.silence_ns;
	return module->disagreement[0] != '\0' && is_heard ? module->disagreement : NULL;
}

/* Its module.yaml, while it runs as it was applied last; else its addresses and checks; else what is
 * wrong otherwise. */
static const char *error_of(
	const struct daemon *daemon, const struct module *module, struct shown_module_parts *parts)
{
	for (int i = 0; i < daemon->wrong_count; i++) {
		const struct config_wrong *wrong = &daemon->wrong[i];
		if (!wrong->is_going_on || strcmp(wrong->name, module->settings.name) != 0)
			continue;
		snprintf(parts->error, sizeof(parts->error),
			"%s; the module goes on with its settings as they were applied last. "
			"Correct the file and run 'evenkeel apply'",
			wrong->error.sentence);
		return parts->error;
	}
	if (addresses_trouble(module, parts->trouble) || checks_trouble(module, parts->trouble))
		return parts->trouble;
	return disagreement_of(daemon, module);
}

static void fill_history(
	struct shown_module *out, const struct module *module, struct shown_module_parts *parts)
{
	const struct runtime *runtime = &module->runtime;
	if (runtime->since_ns != 0)
		out->since = clock_wall_text(runtime->since_ns, parts->since);
	if (runtime->move[0] != '\0')
		out->last_move = runtime->move;
}

static void fill_module(const struct daemon *daemon, const struct module *module,
	const struct summary *summary, struct shown_module_parts *parts, struct shown_module *out)
{
	const struct status *status = &parts->status;
	const struct node_config *peer = daemon_peer(daemon, module);
	*out = (struct shown_module){ .name = module->settings.name };
	fill_settings(out, &module->settings, parts);
	out->error = error_of(daemon, module, parts);
	if (core_status(daemon->core, module->settings.number, &parts->status) != 0) {
		out->now = "is being added or removed";
		return;
	}
	out->has_states = true;
	out->state = module_state_name(status->state);
	out->readiness = readiness_name(status->readiness);
	fill_history(out, module, parts);
	out->should_run = status->record.should_run;
	out->has_copies = module->settings.kind == KIND_MIRROR;
	if (out->has_copies) {
		fill_peer(out, status, peer != NULL ? peer->name : "");
		fill_record(out, daemon, &status->record);
	}
	if (out->has_copies && summary != NULL)
		fill_fs(out, summary);
	out->has_summary = summary != NULL;
	out->is_failed = summary != NULL && summary->is_failed;
	out->is_application_running = module->runtime.is_application_running;
	out->is_address_held = module->runtime.is_address_held && addresses_are_set(module);
	out->has_resync = status->resync_total > 0;
	out->resync = (struct shown_resync){ status->resync_done, status->resync_total };
	out->now = status->now.data;
	out->if_dies = status->if_dies.data;
	out->to_do = status->to_do.data;
	out->observed = status->observed.data;
	if (out->has_copies && status->is_peer_heard)
		out->peer_observed = status->peer_observed.data;
}

/* ---- all modules ---- */

static const struct summary *find_summary(
	const struct summary *summaries, uint16_t count, uint16_t number)
{
	for (uint16_t i = 0; i < count; i++) {
		if (summaries[i].module == number)
			return &summaries[i];
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct module *const *left = a, *const *right = b;
	return strcmp((*left)->settings.name, (*right)->settings.name);
}

static void add_module(json_t *list, const struct shown_module *shown)
{
	json_t *json = json_object();
	if (fields_encode(&shown_module_fields, shown, json) == 0)
		(void)json_array_append(list, json); /* out of memory: it is missing */
	json_decref(json);
}

static json_t *modules_status(
	const struct daemon *daemon, const struct summary *summaries, uint16_t count)
{
	const struct module *sorted[MODULES_MAX];
	struct shown_module_parts parts;
	struct shown_module shown;
	json_t *json = json_array();
	for (int i = 0; i < daemon->module_count; i++)
		sorted[i] = daemon->modules[i];
	qsort(sorted, (size_t)daemon->module_count, sizeof(void *), by_name);
	for (int i = 0; i < daemon->module_count; i++) {
		fill_module(daemon, sorted[i],
			find_summary(summaries, count, sorted[i]->settings.number), &parts, &shown);
		add_module(json, &shown);
	}
	for (int i = 0; i < daemon->wrong_count; i++) {
		if (daemon->wrong[i].is_going_on)
			continue;
		/* Kept out of this node: what is wrong, beside those that are right. */
		shown = (struct shown_module){ .name = daemon->wrong[i].name,
			.has_left_out = true,
			.is_left_out = true,
			.error = daemon->wrong[i].error.sentence,
			.to_do = "correct it and run 'evenkeel apply'; until then this module "
				 "stays out on this node" };
		add_module(json, &shown);
	}
	return json;
}

static void fill_cluster(const struct daemon *daemon, int8_t reachable,
	struct shown_cluster_parts *parts, struct shown_status *out)
{
	for (int i = 0; i < daemon->cluster.node_count; i++)
		fill_node(daemon, i, parts);
	*out = (struct shown_status){ .node = daemon->self->name,
		.cluster = { .name = daemon->cluster.name,
			.epoch = daemon->cluster.epoch,
			.port = daemon->cluster.port },
		.nodes = parts->nodes,
		.node_count = daemon->cluster.node_count,
		.counters = counters_of(daemon) };
	fill_arbiter(daemon, reachable, parts, &out->arbiter);
}

json_t *admin_status(struct daemon *daemon)
{
	json_t *json = json_object();
	struct shown_status shown;
	struct summary *summaries = calloc(MODULES_MAX, sizeof(*summaries));
	struct shown_cluster_parts *parts = calloc(1, sizeof(*parts));
	uint16_t count =
		summaries != NULL ? core_summaries(daemon->core, summaries, MODULES_MAX) : 0;
	if (parts != NULL) {
		int8_t reachable = (int8_t)(count > 0 ? summaries[0].can_reach_target : -1);
		fill_cluster(daemon, reachable, parts, &shown);
		(void)json_object_set_new(json, "ok", json_true());
		(void)!fields_encode(&shown_status_fields, &shown, json); /* or less of it */
		/* One after the other: a module's texts are too many to be kept for all. */
		(void)json_object_set_new(
			json, "modules", modules_status(daemon, summaries, count));
	}
	free(parts);
	free(summaries);
	return json;
}
