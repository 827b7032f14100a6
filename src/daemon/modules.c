/*
 * The set of modules: how one comes, changes and goes.
 *
 *	module.yaml -> record, runtime -> scripts, checks, addresses -> evenkeel-fs -> core
 *
 * The last step waits for an evenkeel-fs that lives from before our restart to say hello (fs.c), so
 * that the core is told once what runs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/addresses/addresses.h"
#include "daemon/checks/checks.h"
#include "daemon/guests/guests.h"
#include "daemon/modules.h"
#include "daemon/records.h"
#include "daemon/runtime.h"
#include "daemon/scripts/scripts.h"
#include "daemon/watch/watch.h"
#include "platform/clock.h"
#include "platform/folders.h"

#define RESTART_NS (200 * NS_PER_MS) /* so that the answer to `reload` is out */

static bool is_on_this_node(const struct daemon *daemon, const struct module_settings *settings)
{
	return strcmp(settings->nodes[0], daemon->self->name) == 0 ||
	       strcmp(settings->nodes[1], daemon->self->name) == 0;
}

/* ---- one module comes ---- */

static struct module_config config_of(const struct module *module)
{
	const struct daemon *daemon = module->daemon;
	const struct module_settings *settings = &module->settings;
	const struct node_config *peer = daemon_peer(daemon, module);
	const struct node_config *preferred =
		config_node_by_name(&daemon->cluster, settings->preferred);
	struct module_config config = { .kind = settings->kind,
		.peer = peer == NULL ? 0 : peer->id,
		.preferred = preferred == NULL ? 0 : preferred->id,
		.has_failover = settings->has_failover,
		.address_count = settings->address_count,
		.repairs_max = settings->repairs_max,
		.repairs_window_ns = settings->repairs_window_ns,
		.address_lifetime_ns = ADDRESS_LIFETIME_NS,
		.check_count = settings->check_count };

	for (int i = 0; i < SCRIPT_COUNT; i++)
		config.has_script[i] = settings->has_script[i];
	return config;
}

_Static_assert(SCRIPT_COUNT <= ARRAY_COUNT(((struct module_config *)0)->has_script),
	"each script has its place");

void modules_tell_core(struct module *module, const struct fs_hello *hello)
{
	struct event event = { .type = EVENT_MODULE_ADDED, .module = module->settings.number };

	CHECK(!module->is_added);
	module->is_added = true;
	event.module_added.config = config_of(module);
	event.module_added.record = module->first_record;
	if (hello != NULL)
		event.module_added.fs = *hello;
	event.module_added.is_application_running =
		module->runtime.is_application_running && scripts_is_application_running(module);
	event.module_added.is_address_held =
		module->runtime.is_address_held && addresses_is_held(module);
	for (size_t i = 0; i < ARRAY_COUNT(event.module_added.random); i++)
		event.module_added.random[i] = daemon_random();
	bool were_checks_running = module->runtime.are_checks_running;
	module->runtime.is_application_running = event.module_added.is_application_running;
	module->runtime.is_address_held = event.module_added.is_address_held;
	module->runtime.are_checks_running = false;
	event.module_added.wishes = module->runtime.wishes;
	if (were_checks_running && event.module_added.is_application_running)
		checks_resume(module);
	runtime_write(module);
	daemon_post(module->daemon, &event);
}

static void free_module(struct module *module)
{
	fs_remove(module);
	watch_remove(module);
	checks_remove(module);
	addresses_remove(module);
	scripts_remove(module);
	records_remove(module);
	queue_done(&module->queue);
	free(module);
}

static void say_no_record(struct module *module, int error)
{
	daemon_log(module->daemon, module, SEVERITY_ERROR, "record.unreadable",
		"%s/%s.record cannot be used: %s. This module stays out here, because nobody knows "
		"how fresh its copy is. If the other node serves, remove that file and run "
		"`evenkeel apply`: the copy here is then made anew from there.",
		module->daemon->paths.state, module->settings.name, strerror(-error));
}

/* Takes the settings over; what fails keeps the module out, with an event. */
static int add_module(struct daemon *daemon, const struct module_settings *settings)
{
	struct module *module = calloc(1, sizeof(*module));
	if (module == NULL)
		return -ENOMEM;
	module->daemon = daemon;
	module->settings = *settings;
	queue_init(&module->queue);
	int error = records_add(module, &module->first_record);
	if (error != 0)
		say_no_record(module, error);
	runtime_read(module);
	if (error == 0)
		error = scripts_add(module);
	if (error == 0)
		error = checks_add(module);
	if (error == 0)
		error = addresses_add(module);
	if (error == 0)
		error = watch_add(module);
	if (error != 0) {
		free_module(module);
		return error;
	}
	daemon->modules[daemon->module_count++] = module;
	daemon->by_number[settings->number] = module;
	/* Its lifetime has been running since our predecessor died. Finding out what else runs may
	 * take longer than that; meanwhile our beats tell the other node that we live. */
	if (module->runtime.is_address_held && addresses_is_held(module))
		addresses_hold(module);
	error = fs_add(module);
	CHECK(error == 0 || !module->is_added);
	if (error != 0) {
		daemon->module_count--;
		daemon->by_number[settings->number] = NULL;
		free_module(module);
	}
	return error;
}

/* ---- a set of settings against what there is ---- */

static const struct module_settings *find_wanted(
	const struct config_modules *wanted, const char *name)
{
	for (int i = 0; i < wanted->count; i++)
		if (strcmp(wanted->list[i].name, name) == 0)
			return &wanted->list[i];
	return NULL;
}

bool modules_is_at_rest(struct daemon *daemon, const struct module *module)
{
	struct summary summary;

	if (!module->is_added || module->is_writing)
		return false; /* still finding out what runs, or not everything is said */
	return core_summary(daemon->core, module->settings.number, &summary) == 0 &&
	       summary.state == STATE_STOP && summary.readiness == NOT_READY;
}

/* What the core and evenkeel-fs were told; everything else may change while the module runs. */
static bool needs_stop(const struct module_settings *old, const struct module_settings *new)
{
	/* Both were parsed into zeroed memory, and a difference of mere padding would cost no more
	 * than a refusal. */
	// NOLINTBEGIN(bugprone-suspicious-memory-comparison)
	return old->kind != new->kind || old->number != new->number ||
	       memcmp(old->nodes, new->nodes, sizeof(old->nodes)) != 0 ||
	       strcmp(old->preferred, new->preferred) != 0 ||
	       old->has_failover != new->has_failover ||
	       old->directory_count != new->directory_count ||
	       memcmp(old->directories, new->directories, sizeof(old->directories)) != 0 ||
	       old->address_count != new->address_count ||
	       memcmp(old->addresses, new->addresses, sizeof(old->addresses)) != 0 ||
	       old->durability != new->durability || old->check_count != new->check_count ||
	       old->peer_timeout_ns != new->peer_timeout_ns;
	// NOLINTEND(bugprone-suspicious-memory-comparison)
}

static int refuse(struct config_error *out_error, const char *name, const char *what)
{
	(void)snprintf(out_error->sentence, sizeof(out_error->sentence),
		"Module %s %s while it runs or is still being stopped. Stop it first: evenkeel "
		"stop %s; evenkeel status shows when it is done, and what it waits for",
		name, what, name);
	return -EBUSY;
}

static int check_changes(
	struct daemon *daemon, const struct config_modules *wanted, struct config_error *out_error)
{
	for (int i = 0; i < daemon->module_count; i++) {
		const struct module *module = daemon->modules[i];
		const struct module_settings *new = find_wanted(wanted, module->settings.name);
		if (modules_is_at_rest(daemon, module))
			continue;
		if (new == NULL)
			return refuse(out_error, module->settings.name, "cannot be removed");
		if (needs_stop(&module->settings, new))
			return refuse(out_error, module->settings.name,
				"cannot change its kind, nodes, directories, addresses, durability "
				"or "
				"the "
				"number of its checks");
	}
	return 0;
}

/* The core forgets it first; the caller saw that it stands still and nothing is being written. */
static void remove_at(struct daemon *daemon, int index)
{
	struct module *module = daemon->modules[index];

	daemon_post(daemon,
		&(struct event){ .type = EVENT_MODULE_REMOVED, .module = module->settings.number });
	daemon->modules[index] = daemon->modules[--daemon->module_count];
	daemon->by_number[module->settings.number] = NULL;
	runtime_remove(module);
	free_module(module);
}

static int apply(struct daemon *daemon, const struct config_modules *wanted)
{
	int worst = 0;

	for (int i = daemon->module_count - 1; i >= 0; i--) {
		struct module *module = daemon->modules[i];
		const struct module_settings *new = find_wanted(wanted, module->settings.name);
		if (new == NULL || needs_stop(&module->settings, new)) {
			remove_at(daemon, i);
			continue;
		}
		module->settings = *new;
		if (fs_is_wanted(module) || runtime_is_single_running(module))
			runtime_keep_settings(module);
	}
	for (int i = 0; i < wanted->count; i++) {
		if (daemon_module_by_name(daemon, wanted->list[i].name) != NULL ||
			!is_on_this_node(daemon, &wanted->list[i]))
			continue;
		int error = add_module(daemon, &wanted->list[i]);
		worst = error != 0 ? error : worst;
	}
	return worst;
}

/* It runs, and its evenkeel-fs and application must not be left alone because of a file. */
static void say_wrong(struct daemon *daemon, const struct config_wrong *wrong)
{
	if (wrong->is_going_on)
		daemon_log(daemon, NULL, SEVERITY_ERROR, "config.wrong",
			"%s. Module '%s' runs, and goes on with its settings as they were applied "
			"last. Correct it and run `evenkeel apply`.",
			wrong->error.sentence, wrong->name);
	else
		daemon_log(daemon, NULL, SEVERITY_ERROR, "config.wrong",
			"%s. Module '%s' stays out on this node; the others are not touched. "
			"Correct it and run `evenkeel apply`.",
			wrong->error.sentence, wrong->name);
}

/* At the start each module stands for itself: a wrong one stays out, unless it runs; the others serve. */
void modules_load(struct daemon *daemon, struct reading *reading)
{
	struct config_modules *wanted = &reading->modules;

	CHECK(daemon->module_count == 0 && daemon->wrong == NULL);
	if (reading->error != 0) {
		daemon_log(daemon, NULL, SEVERITY_ERROR, "config.wrong",
			"%s. Correct it and run `evenkeel apply`.", reading->wrong.sentence);
		return;
	}
	for (int i = 0; i < wanted->wrong_count; i++)
		say_wrong(daemon, &wanted->wrong[i]);
	(void)apply(daemon, wanted); /* what could not be taken in said so */
	daemon->wrong = wanted->wrong;
	daemon->wrong_count = wanted->wrong_count;
	wanted->wrong = NULL;
}

static void forget_wrong(struct daemon *daemon)
{
	free(daemon->wrong);
	daemon->wrong = NULL;
	daemon->wrong_count = 0;
}

/* While it runs, a person waits for the answer: all of it is taken over, or nothing. */
static int reload_modules(
	struct daemon *daemon, const struct config_modules *wanted, struct config_error *out_error)
{
	int error = check_changes(daemon, wanted, out_error);
	if (error != 0)
		return error;
	forget_wrong(daemon);
	if (apply(daemon, wanted) == 0)
		return 0;
	(void)snprintf(out_error->sentence, sizeof(out_error->sentence),
		"A module could not be taken in; see `evenkeel log`.");
	return -EINVAL;
}

/* ---- the cluster's configuration ---- */

static void on_restart(void *owner)
{
	struct daemon *daemon = owner;

	daemon->should_restart = true;
	daemon->loop.should_stop = true;
}

/* Nothing is taken over here: a daemon that starts reads everything in one piece. */
static int accept_cluster(
	struct daemon *daemon, const struct reading *reading, struct config_error *out_error)
{
	const struct node_config *self = config_node_by_name(&reading->cluster, daemon->self->name);

	int error = check_changes(daemon, &reading->modules, out_error);
	if (error == 0 && (self == NULL || self->id != daemon->self->id)) {
		(void)snprintf(out_error->sentence, sizeof(out_error->sentence),
			"cluster.yaml does not name this node (%s, id %u) any more. To take a node "
			"out, stop evenkeel there.",
			daemon->self->name, daemon->self->id);
		error = -EINVAL;
	}
	if (error != 0)
		return error;
	daemon_log(daemon, NULL, SEVERITY_INFO, "config.cluster_changed",
		"cluster.yaml has changed; evenkeeld starts anew with it.");
	daemon->restart_timer.owner = daemon; /* a second change at once only moves it */
	daemon->restart_timer.on_due = on_restart;
	loop_arm(&daemon->loop, &daemon->restart_timer, clock_boot_ns() + RESTART_NS);
	return 0;
}

int modules_reload(
	struct daemon *daemon, const struct reading *reading, struct config_error *out_error)
{
	if (reading->error != 0) {
		*out_error = reading->wrong;
		return reading->error;
	}
	/* As above: at worst the daemon starts anew for nothing. */
	// NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
	bool is_same = memcmp(&reading->cluster, &daemon->cluster, sizeof(daemon->cluster)) == 0;
	return is_same ? reload_modules(daemon, &reading->modules, out_error)
		       : accept_cluster(daemon, reading, out_error);
}

void modules_close(struct daemon *daemon)
{
	memset(daemon->by_number, 0, sizeof(daemon->by_number));
	while (daemon->module_count > 0)
		free_module(daemon->modules[--daemon->module_count]);
	forget_wrong(daemon);
}
