/*
 * What a client of the admin socket may ask: one row each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/admin/internal.h"
#include "daemon/guests/guests.h"
#include "daemon/modules.h"
#include "daemon/reading.h"

static void refuse_unknown(struct admin_client *client, const char *name)
{
	const struct daemon *daemon = client->admin->daemon;
	char sentence[2 * SENTENCE_SIZE_MAX];

	snprintf(sentence, sizeof(sentence),
		"there is no module '%.64s' on this node; 'evenkeel module list' lists them", name);
	for (int i = 0; i < daemon->wrong_count; i++)
		if (strcmp(daemon->wrong[i].name, name) == 0)
			snprintf(sentence, sizeof(sentence),
				"module '%s' is left out on this node: %s; correct it and run "
				"'evenkeel apply'",
				name, daemon->wrong[i].error.sentence);
	admin_reply_refused(client, ADMIN_REFUSED_UNKNOWN_MODULE, sentence);
}

static struct module *find_module(struct admin_client *client, const struct admin_request *request)
{
	const char *name = request->module;
	struct module *module =
		name != NULL ? daemon_module_by_name(client->admin->daemon, name) : NULL;
	if (module == NULL)
		refuse_unknown(client, name != NULL ? name : "");
	return module;
}

static void do_status(
	struct admin_client *client, const struct admin_request *request, int argument)
{
	(void)request;
	(void)argument;
	admin_reply(client, admin_status(client->admin->daemon));
}

static void do_core_command(
	struct admin_client *client, const struct admin_request *request, int argument)
{
	struct module *module = find_module(client, request);
	if (module == NULL)
		return;
	struct event event = { .type = EVENT_COMMAND_GIVEN, .module = module->settings.number };
	event.command.command = (enum command)argument;
	event.command.request = client->request;
	event.command.is_forced = request->is_forced;
	if (event.command.command == COMMAND_STOP || event.command.command == COMMAND_RESTART ||
		event.command.command == COMMAND_SWAP)
		daemon_post(client->admin->daemon, &event);
	else
		admin_start(client, module, &event);
}

void admin_answer(struct daemon *daemon, struct module *module, uint32_t request,
	enum refusal refusal, const char *sentence)
{
	struct admin_client *client =
		daemon->admin != NULL ? admin_client_of(daemon->admin, request) : NULL;
	(void)module;
	if (client == NULL)
		return;
	if (sentence == NULL || sentence[0] == '\0')
		sentence = refusal == REFUSAL_NONE ? "" : refusal_sentence(refusal);
	if (refusal == REFUSAL_NONE)
		admin_reply(client, json_pack("{s:b,s:s}", "ok", 1, "sentence", sentence));
	else
		admin_reply_refused(client, (enum admin_refusal)refusal, sentence);
}

static void do_verify(
	struct admin_client *client, const struct admin_request *request, int argument)
{
	struct module *module = find_module(client, request);
	(void)argument;
	if (module == NULL)
		return;
	if (module->settings.kind != KIND_MIRROR) {
		admin_reply_refused(client, ADMIN_REFUSED_NOT_ITS_KIND,
			"the module is of kind single: there is one copy, and nothing to compare "
			"it "
			"with");
		return;
	}
	client->comparing = module->settings.number;
	int error = fs_verify(module, client->request);
	if (error == -ENOTCONN)
		admin_reply_refused(client, ADMIN_REFUSED_NOT_RUNNING,
			"the module's file system does not run on this node; start the module "
			"first");
	else if (error != 0)
		admin_reply_error(client, "ask evenkeel-fs to compare", error);
}

static void reply_fields(struct admin_client *client, const struct fields *fields, const void *data)
{
	json_t *answer = json_pack("{s:b}", "ok", 1);
	if (answer != NULL)
		(void)!fields_encode(fields, data, answer); /* out of memory: the client sees */
	admin_reply(client, answer);
}

void admin_verified(
	struct daemon *daemon, struct module *module, const struct control_message *message)
{
	struct admin_client *client =
		daemon->admin != NULL ? admin_client_of(daemon->admin, message->verified.request)
				      : NULL;
	(void)module;
	CHECK(message->type == CONTROL_VERIFIED);
	if (client == NULL)
		return;
	if (message->verified.error != 0) {
		char sentence[SENTENCE_SIZE_MAX];
		snprintf(sentence, sizeof(sentence), "the copies could not be compared: %s%s%s",
			strerror(-message->verified.error),
			message->verified.copies.detail[0] != '\0' ? ": " : "",
			message->verified.copies.detail);
		admin_reply_refused(client, ADMIN_REFUSED_NONE, sentence);
		return;
	}
	reply_fields(client, &admin_verified_fields, &message->verified.copies);
}

void admin_fs_lost(struct daemon *daemon, const struct module *module)
{
	for (int i = 0; daemon->admin != NULL && i < ADMIN_CLIENTS_MAX; i++) {
		struct admin_client *client = &daemon->admin->clients[i];
		if (client->watch.fd >= 0 && client->request != 0 &&
			client->comparing == module->settings.number)
			admin_reply_refused(client, ADMIN_REFUSED_NONE,
				"the copies could not be compared: the module's file system was "
				"started anew; try again");
	}
}

static void do_subscribe(
	struct admin_client *client, const struct admin_request *request, int argument)
{
	(void)request;
	(void)argument;
	int error = subscribe_start(client);
	if (error == -EBUSY)
		admin_reply_refused(client, ADMIN_REFUSED_TOO_MANY,
			"as many connections as may already show what changes here; end one of "
			"them, or ask for the status from time to time");
	else if (error != 0)
		admin_reply_error(client, "begin to show what changes", error);
	if (error != 0)
		return;
	client->request = 0;
	admin_feed(client);
}

/* ---- configuration ---- */

struct plan {
	json_t *changes; /* of sentences */
	const char *module;
	bool is_stopped;
};

static void add_change(json_t *changes, const char *sentence)
{
	(void)json_array_append_new(changes, json_string(sentence)); /* else a line less is shown */
}

static void plan_difference(void *context, const struct config_difference *difference)
{
	struct plan *plan = context;
	char sentence[SENTENCE_SIZE_MAX];
	snprintf(sentence, sizeof(sentence), "module '%s': %s: '%.120s' becomes '%.120s'%s",
		plan->module, difference->key, difference->before, difference->after,
		difference->is_live || plan->is_stopped ? ""
							: "; refused while it runs: stop it on "
							  "this node first");
	add_change(plan->changes, sentence);
}

static const struct module_settings *find_settings(
	const struct config_modules *modules, const char *name)
{
	for (int i = 0; i < modules->count; i++) {
		if (strcmp(modules->list[i].name, name) == 0)
			return &modules->list[i];
	}
	return NULL;
}

static void plan_modules(struct daemon *daemon, const struct config_modules *after, json_t *changes)
{
	char sentence[SENTENCE_SIZE_MAX];
	for (int i = 0; i < after->count; i++) {
		if (daemon_module_by_name(daemon, after->list[i].name) != NULL)
			continue;
		snprintf(sentence, sizeof(sentence), "module '%s' (number %u) is added, stopped",
			after->list[i].name, after->list[i].number);
		add_change(changes, sentence);
	}
	for (int i = 0; i < daemon->wrong_count; i++) {
		const char *name = daemon->wrong[i].name;
		bool is_going_on = daemon->wrong[i].is_going_on;
		if ((find_settings(after, name) != NULL) != is_going_on)
			continue;
		snprintf(sentence, sizeof(sentence),
			is_going_on ? "module '%s': its module.yaml is in order again"
				    : "module '%s', which was left out, is forgotten",
			name);
		add_change(changes, sentence);
	}
	for (int i = 0; i < daemon->module_count; i++) {
		const struct module *module = daemon->modules[i];
		const char *name = module->settings.name;
		const struct module_settings *settings = find_settings(after, name);
		struct plan plan = { .changes = changes, .module = name };
		plan.is_stopped = modules_is_at_rest(daemon, module);
		if (settings != NULL) {
			(void)config_compare_modules(
				&module->settings, settings, plan_difference, &plan);
			continue;
		}
		snprintf(sentence, sizeof(sentence), "module '%s' is removed%s", name,
			plan.is_stopped ? "" : "; it runs: stop it first");
		add_change(changes, sentence);
	}
}

static bool cluster_is_equal(const struct cluster_config *a, const struct cluster_config *b)
{
	char *left = config_cluster_text(a), *right = config_cluster_text(b);
	bool is_equal = left != NULL && right != NULL && strcmp(left, right) == 0;
	free(left);
	free(right);
	return is_equal;
}

static void plan_cluster(
	const struct daemon *daemon, const struct cluster_config *after, json_t *changes)
{
	char sentence[SENTENCE_SIZE_MAX];
	for (int i = 0; i < after->node_count; i++) {
		if (config_node_by_name(&daemon->cluster, after->nodes[i].name) != NULL)
			continue;
		snprintf(sentence, sizeof(sentence), "node '%s' is added", after->nodes[i].name);
		add_change(changes, sentence);
	}
	for (int i = 0; i < daemon->cluster.node_count; i++) {
		const char *name = daemon->cluster.nodes[i].name;
		if (config_node_by_name(after, name) != NULL)
			continue;
		snprintf(sentence, sizeof(sentence), "node '%s' is removed", name);
		add_change(changes, sentence);
	}
	if (json_array_size(changes) == 0 && !cluster_is_equal(after, &daemon->cluster))
		add_change(changes, "settings of the cluster change (cluster.yaml)");
}

static void on_plan_read(struct daemon *daemon, uint32_t request, struct reading *reading)
{
	struct admin_client *client = admin_client_of(daemon->admin, request);
	if (client == NULL)
		return;
	if (reading->error != 0) {
		admin_reply_refused(client, ADMIN_REFUSED_CONFIGURATION, reading->wrong.sentence);
		return;
	}
	json_t *changes = json_array();
	plan_cluster(daemon, &reading->cluster, changes);
	plan_modules(daemon, &reading->modules, changes);
	admin_reply(client, json_pack("{s:b,s:o}", "ok", 1, "changes", changes));
}

/* A person who gave up does not want it any more. */
static void on_reload_read(struct daemon *daemon, uint32_t request, struct reading *reading)
{
	struct admin_client *client = admin_client_of(daemon->admin, request);
	struct config_error error = { "" };
	if (client == NULL)
		return;
	if (modules_reload(daemon, reading, &error) != 0)
		admin_reply_refused(client, ADMIN_REFUSED_CONFIGURATION, error.sentence);
	else
		admin_reply(client, json_pack("{s:b}", "ok", 1));
}

static void read_for(struct admin_client *client, reading_function *on_read)
{
	int error = reading_ask(client->admin->daemon, READING_ALL, client->request, on_read);
	if (error == -EBUSY)
		admin_reply_refused(client, ADMIN_REFUSED_BUSY,
			"the configuration is still being read for earlier commands; wait for "
			"their answers (a disk that hangs takes for ever)");
	else if (error != 0)
		admin_reply_error(client, "read the configuration", error);
}

static void do_plan(struct admin_client *client, const struct admin_request *request, int argument)
{
	(void)request;
	(void)argument;
	read_for(client, on_plan_read);
}

static void do_reload(
	struct admin_client *client, const struct admin_request *request, int argument)
{
	(void)request;
	(void)argument;
	read_for(client, on_reload_read);
}

/* ---- the table ---- */

/* clang-format off */
static const struct {
	void (*function)(struct admin_client *client, const struct admin_request *request, int argument);
	int argument;
} functions[ADMIN_COMMAND_COUNT] = {
	[ADMIN_STATUS]	= { do_status, 0 },
	[ADMIN_SUBSCRIBE] = { do_subscribe, 0 },
	[ADMIN_START]	= { do_core_command, COMMAND_START },
	[ADMIN_STOP]	= { do_core_command, COMMAND_STOP },
	[ADMIN_RESTART]	= { do_core_command, COMMAND_RESTART },
	[ADMIN_SWAP]	= { do_core_command, COMMAND_SWAP },
	[ADMIN_PRIM]	= { do_core_command, COMMAND_PRIM },
	[ADMIN_SECOND]	= { do_core_command, COMMAND_SECOND },
	[ADMIN_VERIFY]	= { do_verify, 0 },
	[ADMIN_PLAN]	= { do_plan, 0 },
	[ADMIN_RELOAD]	= { do_reload, 0 },
};
/* clang-format on */

void admin_obey(struct admin_client *client, const json_t *json)
{
	char sentence[SENTENCE_SIZE_MAX];
	struct admin_request request = { 0 };
	struct fields_error wrong;
	if (fields_decode(&admin_request_fields, json, &request, &wrong) != 0) {
		admin_reply_refused(client, ADMIN_REFUSED_WRONG_REQUEST, wrong.sentence);
		return;
	}
	if (client->is_subscriber) {
		admin_reply_refused(client, ADMIN_REFUSED_SUBSCRIBED,
			"this connection shows what changes; give commands over another one");
		return;
	}
	for (int i = 0; request.command != NULL && i < ADMIN_COMMAND_COUNT; i++) {
		if (strcmp(admin_command_rows[i].name, request.command) == 0) {
			functions[i].function(client, &request, functions[i].argument);
			return;
		}
	}
	snprintf(sentence, sizeof(sentence), "evenkeeld knows no command '%.64s'",
		request.command != NULL ? request.command : "");
	admin_reply_refused(client, ADMIN_REFUSED_UNKNOWN_COMMAND, sentence);
}
