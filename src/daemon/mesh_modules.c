/*
 * Which module of ours a summary in a beat is about: the one with the same name.
 *
 * The configuration is carried from node to node by hand, so the numbers in it may differ. They only
 * name a module to the core of one node; between nodes the name counts, as it does in the preface of
 * the stream. So two different modules are never taken for each other; a difference is said.
 *
 *	here          beat from b          for the core
 *	web  = 1      web = 2  -------->   1, and web has another number there
 *	db   = 2      db  = 1  -------->   2, likewise
 *	mail = 3      shop = 3 -------->   nothing: there is no shop here; mail's number is another's
 */
#include <stdio.h>
#include <string.h>

#include "daemon/mesh_internal.h"
#include "platform/clock.h"

uint16_t mesh_name_ours(const struct daemon *daemon, struct summary *summaries,
	struct beat_name *out_names, uint16_t count)
{
	uint16_t named = 0;

	for (uint16_t i = 0; i < count; i++) {
		const struct module *module =
			daemon_module_by_number((struct daemon *)daemon, summaries[i].module);
		if (module == NULL)
			continue;
		(void)snprintf(out_names[named].text, sizeof(out_names[named].text), "%s",
			module->settings.name);
		summaries[named++] = summaries[i];
	}
	return named;
}

/* Logged when it is new; as long as it is heard, `status` shows it. */
static void note_disagreement(struct module *module, const char *sentence)
{
	module->disagreement_ns = clock_boot_ns();
	if (strcmp(module->disagreement, sentence) == 0)
		return;
	(void)snprintf(module->disagreement, sizeof(module->disagreement), "%s", sentence);
	daemon_log(module->daemon, module, SEVERITY_ERROR, "module.number_differs", "%s", sentence);
}

static void compare_numbers(
	struct module *module, const struct node_config *node, uint16_t their_number)
{
	char sentence[SENTENCE_SIZE_MAX];

	module->is_named_by_peer = true;
	if (module->settings.number == their_number) {
		module->disagreement[0] = '\0';
		return;
	}
	(void)snprintf(sentence, sizeof(sentence),
		"Module '%s' has number %u on this node, but %u on node '%s'. Nothing is mixed up, "
		"because the nodes go by its name. Make 'number' the same in module.yaml on both: "
		"stop the module, correct the one that is wrong, and run 'evenkeel apply' "
		"there.",
		module->settings.name, module->settings.number, their_number, node->name);
	note_disagreement(module, sentence);
}

/* The peer does not have our module of that number, and calls another one so. */
static void compare_names(
	struct module *module, const struct node_config *node, const char *their_name)
{
	char sentence[SENTENCE_SIZE_MAX];

	if (module->is_named_by_peer)
		return; /* it has both */
	(void)snprintf(sentence, sizeof(sentence),
		"Number %u is module '%s' on this node, but module '%s' on node '%s', which has no "
		"'%s'. They are kept apart. Is the configuration of one node an old one? Carry the "
		"folder of '%s' to '%s', with a number of its own, and run 'evenkeel apply' there.",
		module->settings.number, module->settings.name, their_name, node->name,
		module->settings.name, module->settings.name, node->name);
	note_disagreement(module, sentence);
}

uint16_t mesh_find_ours(struct daemon *daemon, const struct node_config *node,
	struct summary *summaries, const struct beat_name *names, uint16_t count)
{
	uint16_t found = 0;

	for (uint16_t i = 0; i < count; i++) {
		struct module *module = daemon_module_by_name(daemon, names[i].text);
		if (module != NULL && daemon_peer(daemon, module) == node) {
			compare_numbers(module, node, summaries[i].module);
			summaries[found] = summaries[i];
			summaries[found++].module = module->settings.number;
			continue;
		}
		struct module *other = daemon_module_by_number(daemon, summaries[i].module);
		if (module == NULL && other != NULL && daemon_peer(daemon, other) == node)
			compare_names(other, node, names[i].text);
	}
	return found;
}
