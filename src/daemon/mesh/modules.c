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
 *
 * A module of the same name with other directories is one service all the same, so who may serve is
 * decided as ever; but writes would end up in wrong directories. Its summary tells the core that no
 * evenkeel-fs works there: then none follows it, and none is brought up to date from here.
 */
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "daemon/mesh/internal.h"
#include "platform/clock.h"

/* In order: exchanged, the content of one would go into the other. */
static uint32_t digest_of_directories(const struct module *module)
{
	const struct module_settings *settings = &module->settings;
	uint32_t digest = 0;

	for (int i = 0; i < settings->directory_count; i++)
		digest = digest * 31 +
			 crc32c(settings->directories[i], strlen(settings->directories[i]));
	return digest;
}

uint16_t mesh_name_ours(const struct daemon *daemon, struct summary *summaries,
	struct beat_name *out_names, uint16_t count)
{
	uint16_t named = 0;

	for (uint16_t i = 0; i < count; i++) {
		const struct module *module =
			daemon_module_by_number((struct daemon *)daemon, summaries[i].module);
		if (module == NULL || daemon_peer(daemon, module) == NULL)
			continue; /* gone meanwhile, or no other node runs it */
		(void)snprintf(out_names[named].text, sizeof(out_names[named].text), "%s",
			module->settings.name);
		out_names[named].directories = digest_of_directories(module);
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
	daemon_log(module->daemon, module, SEVERITY_ERROR, "module.differs", "%s", sentence);
}

static void say_directories_differ(struct module *module, const struct node_config *node)
{
	char sentence[SENTENCE_SIZE_MAX];

	(void)snprintf(sentence, sizeof(sentence),
		"Module '%s' has other directories on this node than on node '%s', or in another "
		"order. Nothing is replicated, so that no file ends up in a wrong one. Make "
		"'directories' the same in module.yaml on both: stop the module, correct the one "
		"that is wrong, and run 'evenkeel apply' there.",
		module->settings.name, node->name);
	note_disagreement(module, sentence);
}

static void compare_numbers(
	struct module *module, const struct node_config *node, uint16_t their_number)
{
	char sentence[SENTENCE_SIZE_MAX];

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

static void take_as_ours(struct module *module, const struct node_config *node,
	struct summary *summary, const struct beat_name *name)
{
	module->is_named_by_peer = true;
	if (name->directories == digest_of_directories(module)) {
		compare_numbers(module, node, summary->module);
	} else {
		say_directories_differ(module, node);
		summary->fs_role = FS_NONE;
		summary->fs_link = FS_LINK_NONE;
	}
	summary->module = module->settings.number;
}

/* Where the numbers agree, as they should, nothing is searched for: a beat may name 500 modules. */
static struct module *find_by_name(struct daemon *daemon, uint16_t their_number, const char *name)
{
	struct module *module = daemon_module_by_number(daemon, their_number);

	return module != NULL && strcmp(module->settings.name, name) == 0
		       ? module
		       : daemon_module_by_name(daemon, name);
}

uint16_t mesh_find_ours(struct daemon *daemon, const struct node_config *node,
	struct summary *summaries, const struct beat_name *names, uint16_t count)
{
	uint16_t found = 0;

	for (uint16_t i = 0; i < count; i++) {
		struct module *module = find_by_name(daemon, summaries[i].module, names[i].text);
		if (module != NULL && daemon_peer(daemon, module) == node) {
			summaries[found] = summaries[i];
			take_as_ours(module, node, &summaries[found++], &names[i]);
			continue;
		}
		struct module *other = daemon_module_by_number(daemon, summaries[i].module);
		if (module == NULL && other != NULL && daemon_peer(daemon, other) == node)
			compare_names(other, node, names[i].text);
	}
	return found;
}
