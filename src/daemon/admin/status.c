/*
 * The status of a node as JSON: the cluster, who is heard on which network, what the arbiter can
 * promise, and each module in the core's own words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/control.h"
#include "daemon/admin/internal.h"
#include "daemon/mesh/mesh.h"
#include "platform/clock.h"

static void set(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value); /* out of memory: the key is missing */
}

static const char *node_name(const struct daemon *daemon, uint8_t id)
{
	const struct node_config *node = config_node_by_id(&daemon->cluster, id);
	return node != NULL ? node->name : "";
}

static json_t *address_text(const struct address *address)
{
	char shown[ADDRESS_TEXT_SIZE];
	return json_string(address_format(address, shown));
}

static json_t *node_status(const struct daemon *daemon, const struct node_config *node)
{
	json_t *json = json_object(), *addresses = json_array();
	bool is_self = node->id == daemon->self->id;
	for (uint8_t i = 0; i < node->address_count; i++) {
		json_t *address = json_object();
		set(address, "address", address_text(&node->addresses[i]));
		if (!is_self)
			set(address, "is_up", json_boolean(mesh_link_is_up(daemon, node->id, i)));
		(void)json_array_append_new(addresses, address);
	}
	set(json, "name", json_string(node->name));
	set(json, "id", json_integer(node->id));
	set(json, "is_self", json_boolean(is_self));
	set(json, "addresses", addresses);
	return json;
}

static json_t *nodes_status(const struct daemon *daemon)
{
	json_t *json = json_array();
	for (int i = 0; i < daemon->cluster.node_count; i++)
		(void)json_array_append_new(json, node_status(daemon, &daemon->cluster.nodes[i]));
	return json;
}

/* What the arbiter can promise, said all the time (R3). reachable: 1, 0, or -1: not known yet. */
static json_t *arbiter_status(const struct daemon *daemon, int reachable)
{
	json_t *json = json_object();
	char target[ADDRESS_TEXT_SIZE], sentence[SENTENCE_SIZE_MAX];
	if (daemon->cluster.arbiter == ARBITER_OPERATOR) {
		set(json, "kind", json_string("operator"));
		set(json, "promise",
			json_string("a person decides: when a node is lost, the other does not go "
				    "on by itself; all promises hold"));
		return json;
	}
	(void)address_format(&daemon->cluster.ping_target, target);
	if (reachable == 0)
		snprintf(sentence, sizeof(sentence),
			"%s does not answer this node: it could not go on alone now; check the "
			"network to it",
			target);
	else
		snprintf(sentence, sizeof(sentence),
			"a guess: when a node is lost, the one that reaches %s goes on; if the "
			"nodes "
			"only lose each other and both reach it, both may serve, and one side's "
			"writes are kept aside",
			target);
	set(json, "kind", json_string("ping"));
	set(json, "target", json_string(target));
	set(json, "is_reachable", reachable < 0 ? json_null() : json_boolean(reachable == 1));
	set(json, "promise", json_string(sentence));
	return json;
}

static void add_states(json_t *json, const struct status *status, const char *peer)
{
	set(json, "state", json_string(mirror_state_name(status->state)));
	set(json, "readiness", json_string(readiness_name(status->readiness)));
	set(json, "peer", json_string(peer));
	set(json, "peer_heard", json_boolean(status->is_peer_heard));
	if (!status->is_peer_heard)
		return;
	set(json, "peer_state", json_string(mirror_state_name(status->peer_state)));
	set(json, "peer_readiness", json_string(readiness_name(status->peer_readiness)));
}

static json_t *good_nodes(const struct daemon *daemon, uint64_t good)
{
	json_t *json = json_array();
	for (uint8_t id = 1; id <= NODES_MAX; id++) {
		if ((good & BIT64(id - 1)) != 0)
			(void)json_array_append_new(json, json_string(node_name(daemon, id)));
	}
	return json;
}

static void add_settings(json_t *json, const struct module_settings *settings)
{
	json_t *directories = json_array(), *addresses = json_array();
	for (int i = 0; i < settings->directory_count; i++)
		(void)json_array_append_new(directories, json_string(settings->directories[i]));
	for (int i = 0; i < settings->address_count; i++)
		(void)json_array_append_new(
			addresses, address_text(&settings->addresses[i].address));
	set(json, "directories", directories);
	set(json, "addresses", addresses);
	set(json, "durability",
		json_string(settings->durability == DURABILITY_CALL ? "call" : "fsync"));
}

static void add_record(json_t *json, const struct daemon *daemon, const struct record *record)
{
	set(json, "epoch", json_integer((json_int_t)record->epoch.number));
	set(json, "generation", json_integer((json_int_t)record->generation.number));
	set(json, "good", good_nodes(daemon, record->good));
	set(json, "holder", json_string(node_name(daemon, record->holder)));
	set(json, "is_complete", json_boolean(record->is_complete));
	set(json, "should_run", json_boolean(record->should_run));
}

static void add_summary(json_t *json, const struct summary *summary)
{
	set(json, "fs", json_string(fs_role_name(summary->fs_role)));
	set(json, "link", json_string(fs_link_name(summary->fs_link)));
	set(json, "is_failed", json_boolean(summary->is_failed));
}

static void add_words(json_t *json, const struct status *status)
{
	set(json, "now", json_string(status->now.data));
	set(json, "if_dies", json_string(status->if_dies.data));
	set(json, "to_do", json_string(status->to_do.data));
}

/* What the configuration of the other node says otherwise, while it is heard saying it. */
static void add_disagreement(json_t *json, const struct module *module)
{
	int64_t age_ns = clock_boot_ns() - module->disagreement_ns;
	if (module->disagreement[0] != '\0' && age_ns < module->daemon->cluster.silence_ns)
		set(json, "error", json_string(module->disagreement));
}

/* Its module.yaml, while it runs as it was applied last. */
static void add_wrong_file(json_t *json, const struct daemon *daemon, const struct module *module)
{
	for (int i = 0; i < daemon->wrong_count; i++) {
		const struct config_wrong *wrong = &daemon->wrong[i];
		char sentence[SENTENCE_SIZE_MAX + 160];
		if (!wrong->is_going_on || strcmp(wrong->name, module->settings.name) != 0)
			continue;
		snprintf(sentence, sizeof(sentence),
			"%s; the module goes on with its settings as they were applied last. "
			"Correct the file and run 'evenkeel apply'",
			wrong->error.sentence);
		set(json, "error", json_string(sentence));
	}
}

static json_t *module_status(
	const struct daemon *daemon, const struct module *module, const struct summary *summary)
{
	json_t *json = json_object();
	struct status status;
	const struct node_config *peer = daemon_peer(daemon, module);
	set(json, "name", json_string(module->settings.name));
	set(json, "number", json_integer(module->settings.number));
	add_settings(json, &module->settings);
	add_disagreement(json, module);
	add_wrong_file(json, daemon, module);
	if (core_status(daemon->core, module->settings.number, &status) != 0) {
		set(json, "now", json_string("is being added or removed"));
		return json;
	}
	add_states(json, &status, peer != NULL ? peer->name : "");
	add_record(json, daemon, &status.record);
	if (summary != NULL)
		add_summary(json, summary);
	set(json, "is_application_running", json_boolean(module->runtime.is_application_running));
	set(json, "is_address_held", json_boolean(module->runtime.is_address_held));
	if (status.resync_total > 0)
		set(json, "resync",
			json_pack("{s:I,s:I}", "done", (json_int_t)status.resync_done, "total",
				(json_int_t)status.resync_total));
	add_words(json, &status);
	return json;
}

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

/* Kept out of this node: what is wrong, beside those that are right. */
static json_t *wrong_status(const struct config_wrong *wrong)
{
	return json_pack("{s:s,s:b,s:s,s:s}", "name", wrong->name, "is_left_out", 1, "error",
		wrong->error.sentence, "to_do",
		"correct it and run 'evenkeel apply'; until then this module stays out on this "
		"node");
}

static json_t *modules_status(
	const struct daemon *daemon, const struct summary *summaries, uint16_t count)
{
	const struct module *sorted[MODULES_MAX];
	json_t *json = json_array();
	for (int i = 0; i < daemon->module_count; i++)
		sorted[i] = daemon->modules[i];
	qsort(sorted, (size_t)daemon->module_count, sizeof(void *), by_name);
	for (int i = 0; i < daemon->module_count; i++)
		(void)json_array_append_new(
			json, module_status(daemon, sorted[i],
				      find_summary(summaries, count, sorted[i]->settings.number)));
	for (int i = 0; i < daemon->wrong_count; i++)
		if (!daemon->wrong[i].is_going_on)
			(void)json_array_append_new(json, wrong_status(&daemon->wrong[i]));
	return json;
}

static json_t *counters_status(const struct daemon *daemon)
{
	struct mesh_counters counters;
	mesh_count(daemon, &counters);
	return json_pack("{s:I,s:I,s:I,s:I}", "beats_sent", (json_int_t)counters.beats_sent,
		"beats_heard", (json_int_t)counters.beats_heard, "garbage",
		(json_int_t)counters.garbage, "other_version", (json_int_t)counters.other_version);
}

json_t *admin_status(struct daemon *daemon)
{
	json_t *json = json_object(), *cluster = json_object();
	struct summary *summaries = calloc(MODULES_MAX, sizeof(*summaries));
	uint16_t count =
		summaries != NULL ? core_summaries(daemon->core, summaries, MODULES_MAX) : 0;
	set(cluster, "name", json_string(daemon->cluster.name));
	set(cluster, "epoch", json_integer((json_int_t)daemon->cluster.epoch));
	set(cluster, "port", json_integer(daemon->cluster.port));
	set(json, "ok", json_true());
	set(json, "node", json_string(daemon->self->name));
	set(json, "cluster", cluster);
	set(json, "nodes", nodes_status(daemon));
	set(json, "arbiter",
		arbiter_status(daemon, count > 0 ? (summaries[0].can_reach_target ? 1 : 0) : -1));
	set(json, "counters", counters_status(daemon));
	set(json, "modules", modules_status(daemon, summaries, count));
	free(summaries);
	return json;
}
