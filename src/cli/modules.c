/*
 * module remove and list; apply.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/preflight.h"
#include "api/status.h"
#include "cli/cli.h"
#include "platform/folders.h"

/* ---- module remove ---- */

/* Whether its evenkeel-fs lives: it holds run/NAME.lock. */
static bool is_served(const struct arguments *arguments, const char *name)
{
	char path[PATH_SIZE_MAX];
	if (strlen(name) > MODULE_NAME_MAX)
		return false;
	node_file_path(path, NODE_FILE_MODULE_LOCK, arguments->run, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool is_held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd);
	return is_held;
}

static int refuse_if_running(const struct arguments *arguments, const char *name)
{
	json_t *answer = NULL;
	struct shown_status status = { 0 };
	struct fields_error wrong;
	if (client_ask(arguments, client_request(ADMIN_STATUS), 10, &answer) != 0)
		answer = NULL;
	if (answer != NULL)
		(void)!fields_decode(&shown_status_fields, answer, &status, &wrong); /* or less */
	bool is_running = is_served(arguments, name);
	for (uint32_t i = 0; i < status.module_count; i++) {
		const struct shown_module *module = &status.modules[i];
		if (!module->is_left_out && strcmp(shown_text(module->name), name) == 0)
			is_running = strcmp(shown_text(module->state), "STOP") != 0 ||
				     strcmp(shown_text(module->readiness), "NotReady") != 0;
	}
	shown_status_done(&status);
	json_decref(answer);
	if (!is_running)
		return EXIT_DONE;
	return refuse(arguments,
		"module '%s' runs, or is still being stopped; 'evenkeel stop %s' stops it on this "
		"node, and 'evenkeel status' shows what it waits for",
		name, name);
}

static int remove_module(const struct arguments *arguments, const char *name)
{
	char folder[PATH_SIZE_MAX], path[PATH_SIZE_MAX], hidden[PATH_SIZE_MAX];
	char hidden_name[MODULE_NAME_MAX + 16];
	struct config_error error = { "" };
	bool runs = false;
	node_file_path(folder, NODE_FILE_MODULES, arguments->config, NULL);
	snprintf(hidden_name, sizeof(hidden_name), ".%.64s.removed", name);
	file_path_join(path, folder, name);
	file_path_join(hidden, folder, hidden_name);
	int result = folder_remove(hidden);
	if (result == 0)
		result = folder_rename(path, hidden);
	if (result != 0)
		return refuse(arguments, "%s cannot be removed: %s", path, strerror(-result));
	if (client_reload(arguments, &runs, &error) != 0) {
		(void)rename(hidden, path); /* as it was */
		return refuse(arguments, "%s", error.sentence);
	}
	result = folder_remove(hidden);
	if (result != 0)
		return refuse(arguments, "the module is removed, its folder %s is not: %s", hidden,
			strerror(-result));
	printf("Module '%s' is removed from this node. Its data stay where they are, and so does "
	       "what is "
	       "known of them (%s/%s.*): added again under this name, it goes on from there.\n",
		name, arguments->state, name);
	return EXIT_DONE;
}

int do_module_remove(const struct arguments *arguments)
{
	const char *name = arguments->positional[0];
	char path[PATH_SIZE_MAX], place[MODULE_NAME_MAX + 16];
	struct stat status;
	if (strchr(name, '/') != NULL || name[0] == '.' || strlen(name) > MODULE_NAME_MAX)
		return refuse(arguments, "'%.80s' is no name of a module", name);
	snprintf(place, sizeof(place), "modules/%s", name);
	file_path_join(path, arguments->config, place);
	if (stat(path, &status) != 0)
		return refuse(arguments,
			"there is no module '%s' on this node; 'evenkeel module list' lists them",
			name);
	int code = refuse_if_running(arguments, name);
	return code != EXIT_DONE ? code : remove_module(arguments, name);
}

/* ---- module list ---- */

static json_t *module_json(const struct module_settings *module)
{
	json_t *directories = json_array(), *addresses = json_array();
	for (int i = 0; i < module->directory_count; i++)
		(void)json_array_append_new(directories, json_string(module->directories[i]));
	for (int i = 0; i < module->address_count; i++) {
		char shown[ADDRESS_TEXT_SIZE];
		(void)json_array_append_new(addresses,
			json_string(address_format(&module->addresses[i].address, shown)));
	}
	json_t *nodes = json_array();
	for (int i = 0; i < config_node_count(module); i++)
		(void)json_array_append_new(nodes, json_string(module->nodes[i]));
	return json_pack("{s:s,s:s,s:i,s:o,s:o,s:o}", "name", module->name, "kind",
		config_kind_name(module->kind), "number", module->number, "nodes", nodes,
		"directories", directories, "addresses", addresses);
}

static json_t *wrong_json(const struct config_wrong *wrong)
{
	return json_pack("{s:s,s:s}", "name", wrong->name, "error", wrong->error.sentence);
}

static void print_module(const struct module_settings *module)
{
	bool is_single = module->kind == KIND_SINGLE;
	printf("%-20s number %-4u %s %s%s%s", module->name, module->number,
		is_single ? "single, node" : "nodes", module->nodes[0], is_single ? "" : ", ",
		module->nodes[1]);
	for (int i = 0; i < module->address_count; i++) {
		char shown[ADDRESS_TEXT_SIZE];
		printf("%s %s", i == 0 ? "  address" : ",",
			address_format(&module->addresses[i].address, shown));
	}
	printf("\n");
	for (int i = 0; i < module->directory_count; i++)
		printf("    %s\n", module->directories[i]);
}

int do_module_list(const struct arguments *arguments)
{
	struct site site;
	int code = site_read(arguments, &site);
	if (code != EXIT_DONE)
		return code;
	json_t *list = json_array();
	for (int i = 0; i < site.modules.count; i++) {
		if (arguments->is_json)
			(void)json_array_append_new(list, module_json(&site.modules.list[i]));
		else
			print_module(&site.modules.list[i]);
	}
	for (int i = 0; i < site.modules.wrong_count; i++) {
		const struct config_wrong *wrong = &site.modules.wrong[i];
		if (arguments->is_json)
			(void)json_array_append_new(list, wrong_json(wrong));
		else
			printf("%-20s error: %s\n", wrong->name, wrong->error.sentence);
	}
	if (arguments->is_json) {
		(void)json_dumpf(list, stdout, JSON_COMPACT);
		printf("\n");
	} else if (site.modules.count + site.modules.wrong_count == 0) {
		printf("no module yet; 'evenkeel module add DIR' adds one\n");
	}
	json_decref(list);
	site_done(&site);
	return EXIT_DONE;
}

/* ---- apply ---- */

static int take_over(const struct arguments *arguments, const json_t *changes)
{
	for (size_t i = 0; i < json_array_size(changes) && !arguments->is_json; i++)
		printf("%s\n", json_string_value(json_array_get(changes, i)));
	if (arguments->is_json) {
		(void)json_dumpf(changes, stdout, JSON_COMPACT);
		printf("\n");
	}
	if (json_array_size(changes) == 0) {
		if (!arguments->is_json)
			printf("nothing changes\n");
		return EXIT_DONE;
	}
	json_t *answer = client_demand(arguments, client_request(ADMIN_RELOAD), 10);
	if (answer == NULL)
		return EXIT_REFUSED;
	json_decref(answer);
	if (!arguments->is_json)
		printf("done\n");
	return EXIT_DONE;
}

int do_apply(const struct arguments *arguments)
{
	struct config_error error = { "" };
	struct site site;
	json_t *answer = NULL;
	int code = site_read(arguments, &site);
	if (code != EXIT_DONE)
		return code;
	if (site.modules.wrong_count > 0)
		code = refuse(arguments, "%s", site.modules.wrong[0].error.sentence);
	else if (preflight_addresses(&site.cluster, &site.modules, &error) != 0 ||
		 preflight_programs(&site.modules, &error) != 0)
		code = refuse(arguments, "%s", error.sentence);
	site_done(&site);
	if (code != EXIT_DONE)
		return code;
	int result = client_ask(arguments, client_request(ADMIN_PLAN), 10, &answer);
	if (result == -ENOENT || result == -ECONNREFUSED) {
		printf("%s\n", arguments->is_json ? "[]"
						  : "the configuration is in order; evenkeeld does "
						    "not run, it will read it at its start");
		return EXIT_DONE;
	}
	if (result == 0)
		json_decref(answer);
	answer = client_demand(arguments, client_request(ADMIN_PLAN), 10);
	if (answer == NULL)
		return EXIT_REFUSED;
	code = take_over(arguments, json_object_get(answer, "changes"));
	json_decref(answer);
	return code;
}
