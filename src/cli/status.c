/*
 * status: one screen that says in words what is going on, and what would happen if a node died now.
 *
 *	cluster 'demo', node a; b is heard on 3 of 3 networks
 *	arbiter ping 10.3.0.254 (answers): a guess: ...
 *
 *	postgresql     a PRIM Ready     b SECOND Ready     10.3.0.100
 *	    error       ... (something in the configuration is wrong)
 *	    now         ...
 *	    if one dies ...
 *	    to do       ...
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "api/status.h"
#include "cli/cli.h"

#define COLUMNS 100

static int columns(void)
{
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40)
		return size.ws_col;
	return COLUMNS;
}

/* A sentence behind its head, broken between words so that it stays to the right of the head. */
static void print_wrapped(const char *head, const char *text)
{
	int indent = (int)strlen(head), width = columns(), at = indent;
	if (text[0] == '\0')
		return;
	printf("%s", head);
	while (*text != '\0') {
		int size = (int)strcspn(text, " ");
		bool is_first = at == indent;
		if (!is_first && at + 1 + size > width) {
			printf("\n%*s", indent, "");
			at = indent;
			is_first = true;
		}
		at += printf("%s%.*s", is_first ? "" : " ", size, text);
		text += size;
		text += strspn(text, " ");
	}
	printf("\n");
}

static uint32_t count_up(const struct shown_node *node)
{
	uint32_t up = 0;
	for (uint32_t i = 0; i < node->address_count; i++)
		up += node->addresses[i].is_up;
	return up;
}

static void print_silent(const struct shown_node *node)
{
	const char *separator = " (silent: ";
	for (uint32_t i = 0; i < node->address_count; i++) {
		if (node->addresses[i].is_up)
			continue;
		printf("%s%s", separator, shown_text(node->addresses[i].address));
		separator = ", ";
	}
	printf(")");
}

static void print_cluster(const struct shown_status *status)
{
	printf("cluster %s, node %s", shown_text(status->cluster.name), shown_text(status->node));
	for (uint32_t i = 0; i < status->node_count; i++) {
		const struct shown_node *node = &status->nodes[i];
		uint32_t up = count_up(node), all = node->address_count;
		if (node->is_self)
			continue;
		if (up == 0)
			printf("; %s is not heard on any of %u networks", shown_text(node->name),
				all);
		else
			printf("; %s is heard on %u of %u networks", shown_text(node->name), up,
				all);
		if (up > 0 && up < all)
			print_silent(node);
	}
	printf("\n");
}

static void print_arbiter(const struct shown_arbiter *arbiter)
{
	const char *target = shown_text(arbiter->target);
	const char *answers = !arbiter->has_reachable || arbiter->reachable < 0 ? ""
			      : arbiter->reachable == 1				? " (answers)"
							: " (does not answer)";
	char sentence[2 * SENTENCE_SIZE_MAX];
	snprintf(sentence, sizeof(sentence), "%s%s%s%s: %s", shown_text(arbiter->kind),
		target[0] != '\0' ? " " : "", target, answers, shown_text(arbiter->promise));
	print_wrapped("arbiter ", sentence);
}

static void print_size(uint64_t bytes)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;
	uint64_t tenths = bytes * 10;
	for (; tenths >= 10240 && unit + 1 < ARRAY_COUNT(names); unit++)
		tenths /= 1024;
	printf("%llu.%llu %s", (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10),
		names[unit]);
}

static void print_resync(const struct shown_module *module)
{
	uint64_t done = module->resync.done, total = module->resync.total;
	if (strcmp(shown_text(module->link), "resyncing") != 0 || total == 0)
		return;
	printf("    copying      ");
	print_size(done);
	printf(" of ");
	print_size(total);
	printf(" looked at (%llu %%)\n",
		(unsigned long long)(done >= total ? 100 : done / (total / 100 + 1)));
}

static void print_peer(const struct shown_module *module)
{
	printf("    %s ", shown_text(module->peer));
	if (module->is_peer_heard)
		printf("%s %s", shown_text(module->peer_state), shown_text(module->peer_readiness));
	else
		printf("not heard");
}

static void print_states(const struct shown_module *module, const char *node)
{
	printf("\n%-14s %s %s %s", shown_text(module->name), node, shown_text(module->state),
		shown_text(module->readiness));
	if (shown_text(module->since)[0] != '\0')
		printf(" since %s", module->since);
	if (module->has_copies)
		print_peer(module);
	for (uint32_t i = 0; i < module->address_count; i++)
		printf("%s%s", i == 0 ? "    " : ", ", module->addresses[i]);
	printf("\n");
}

static void print_peer_observed(const struct shown_module *module)
{
	char sentence[2 * SENTENCE_SIZE_MAX];
	if (shown_text(module->peer_observed)[0] == '\0')
		return;
	snprintf(sentence, sizeof(sentence), "on %s: %s", shown_text(module->peer),
		module->peer_observed);
	print_wrapped("                 ", sentence);
}

static void print_module(const struct shown_module *module, const char *node)
{
	if (module->is_left_out)
		printf("\n%-14s %s left out\n", shown_text(module->name), node);
	else
		print_states(module, node);
	print_wrapped("    error        ", shown_text(module->error));
	print_wrapped("    last move    ", shown_text(module->last_move));
	print_wrapped("    now          ", shown_text(module->now));
	print_resync(module);
	print_wrapped("    observed     ", shown_text(module->observed));
	print_peer_observed(module);
	print_wrapped("    if one dies  ", shown_text(module->if_dies));
	print_wrapped("    to do        ", shown_text(module->to_do));
}

static int print_status(const struct arguments *arguments, const json_t *answer)
{
	struct shown_status status = { 0 };
	struct fields_error wrong;
	int error = fields_decode(&shown_status_fields, answer, &status, &wrong);
	if (error != 0) {
		shown_status_done(&status);
		return client_refuse_words(
			arguments, error == -ENOMEM ? "out of memory" : wrong.sentence);
	}
	print_cluster(&status);
	print_arbiter(&status.arbiter);
	for (uint32_t i = 0; i < status.module_count; i++)
		print_module(&status.modules[i], shown_text(status.node));
	if (status.module_count == 0)
		printf("\nno module yet; 'evenkeel module add DIR' adds one\n");
	shown_status_done(&status);
	return EXIT_DONE;
}

int status_show(const struct arguments *arguments, const json_t *status)
{
	if (!arguments->is_json)
		return print_status(arguments, status);
	(void)json_dumpf(status, stdout, JSON_COMPACT);
	printf("\n");
	return EXIT_DONE;
}

int do_status(const struct arguments *arguments)
{
	if (option_given(arguments, OPTION_WATCH))
		return do_watch(arguments);
	json_t *status = client_demand(arguments, client_request(ADMIN_STATUS), 5);
	if (status == NULL)
		return EXIT_REFUSED;
	int code = status_show(arguments, status);
	json_decref(status);
	return code;
}
