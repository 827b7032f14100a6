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
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define WATCH_EVERY_S 1
#define COLUMNS	      100

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

static void count_links(const json_t *node, size_t *out_up, size_t *out_all)
{
	const json_t *addresses = json_object_get(node, "addresses");
	*out_all = json_array_size(addresses);
	*out_up = 0;
	for (size_t i = 0; i < *out_all; i++) {
		if (json_is_true(json_object_get(json_array_get(addresses, i), "is_up")))
			++*out_up;
	}
}

static void print_silent(const json_t *node)
{
	const json_t *addresses = json_object_get(node, "addresses");
	const char *separator = " (silent: ";
	for (size_t i = 0; i < json_array_size(addresses); i++) {
		const json_t *address = json_array_get(addresses, i);
		if (json_is_true(json_object_get(address, "is_up")))
			continue;
		printf("%s%s", separator, text_of(address, "address"));
		separator = ", ";
	}
	printf(")");
}

static void print_cluster(const json_t *status)
{
	const json_t *nodes = json_object_get(status, "nodes");
	printf("cluster %s, node %s", text_of(json_object_get(status, "cluster"), "name"),
		text_of(status, "node"));
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *node = json_array_get(nodes, i);
		size_t up, all;
		if (json_is_true(json_object_get(node, "is_self")))
			continue;
		count_links(node, &up, &all);
		if (up == 0)
			printf("; %s is not heard on any of %zu networks", text_of(node, "name"),
				all);
		else
			printf("; %s is heard on %zu of %zu networks", text_of(node, "name"), up,
				all);
		if (up > 0 && up < all)
			print_silent(node);
	}
	printf("\n");
}

static void print_arbiter(const json_t *arbiter)
{
	const json_t *reachable = json_object_get(arbiter, "is_reachable");
	char sentence[2 * SENTENCE_SIZE_MAX];
	snprintf(sentence, sizeof(sentence), "%s%s%s%s: %s", text_of(arbiter, "kind"),
		text_of(arbiter, "target")[0] != '\0' ? " " : "", text_of(arbiter, "target"),
		json_is_true(reachable)	   ? " (answers)"
		: json_is_false(reachable) ? " (does not answer)"
					   : "",
		text_of(arbiter, "promise"));
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

static void print_resync(const json_t *module)
{
	const json_t *resync = json_object_get(module, "resync");
	uint64_t done = (uint64_t)json_integer_value(json_object_get(resync, "done"));
	uint64_t total = (uint64_t)json_integer_value(json_object_get(resync, "total"));
	if (strcmp(text_of(module, "link"), "resyncing") != 0 || total == 0)
		return;
	printf("    copying      ");
	print_size(done);
	printf(" of ");
	print_size(total);
	printf(" looked at (%llu %%)\n",
		(unsigned long long)(done >= total ? 100 : done / (total / 100 + 1)));
}

static void print_states(const json_t *module, const char *node)
{
	const json_t *addresses = json_object_get(module, "addresses");
	printf("\n%-14s %s %s %s    %s ", text_of(module, "name"), node, text_of(module, "state"),
		text_of(module, "readiness"), text_of(module, "peer"));
	if (json_is_true(json_object_get(module, "peer_heard")))
		printf("%s %s", text_of(module, "peer_state"), text_of(module, "peer_readiness"));
	else
		printf("not heard");
	for (size_t i = 0; i < json_array_size(addresses); i++)
		printf("%s%s", i == 0 ? "    " : ", ",
			json_string_value(json_array_get(addresses, i)));
	printf("\n");
}

static void print_module(const json_t *module, const char *node)
{
	if (json_is_true(json_object_get(module, "is_left_out")))
		printf("\n%-14s %s left out\n", text_of(module, "name"), node);
	else
		print_states(module, node);
	print_wrapped("    error        ", text_of(module, "error"));
	print_wrapped("    now          ", text_of(module, "now"));
	print_resync(module);
	print_wrapped("    if one dies  ", text_of(module, "if_dies"));
	print_wrapped("    to do        ", text_of(module, "to_do"));
}

static void print_status(const json_t *status)
{
	const json_t *modules = json_object_get(status, "modules");
	print_cluster(status);
	print_arbiter(json_object_get(status, "arbiter"));
	for (size_t i = 0; i < json_array_size(modules); i++)
		print_module(json_array_get(modules, i), text_of(status, "node"));
	if (json_array_size(modules) == 0)
		printf("\nno module yet; 'evenkeel module add DIR' adds one\n");
}

static int show(const struct arguments *arguments)
{
	json_t *status = client_demand(arguments, json_pack("{s:s}", "command", "status"), 5);
	if (status == NULL)
		return EXIT_REFUSED;
	if (arguments->is_json) {
		(void)json_dumpf(status, stdout, JSON_COMPACT);
		printf("\n");
	} else {
		print_status(status);
	}
	json_decref(status);
	return EXIT_DONE;
}

int do_status(const struct arguments *arguments)
{
	bool is_watching = option_given(arguments, OPTION_WATCH);
	bool is_terminal = isatty(STDOUT_FILENO) != 0;
	struct timespec rest = { .tv_sec = WATCH_EVERY_S };
	int code;
	do {
		if (is_watching && is_terminal)
			printf("\033[H\033[2J");
		code = show(arguments);
		if (fflush(stdout) != 0)
			return EXIT_REFUSED; /* nobody reads any more */
		if (is_watching)
			(void)nanosleep(&rest, NULL); /* shorter after a signal: shown sooner */
	} while (is_watching);
	return code;
}
