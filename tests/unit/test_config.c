#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/config.h"
#include "api/config_internal.h"
#include "api/settings.h"

#define CLUSTER_HEAD "cluster: demo\n"
#define CLUSTER_NODES                                           \
	"nodes:\n"                                              \
	"- {name: a, id: 1, addresses: [10.1.0.1, 10.3.0.1]}\n" \
	"- {name: b, id: 2, addresses: [10.1.0.2, 10.3.0.2]}\n"
#define SINGLE_HEAD "kind: single\nnumber: 1\nnodes: [a]\n"
#define NOT_A_SINGLES                                                                           \
	"means nothing to a module of kind single, which has one copy and replicates nothing; " \
	"expected it left out, or kind mirror"
#define MODULE_HEAD "number: 1\nnodes: [a, b]\ndirectories: [/data]\n"

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){ .data = (const uint8_t *)text, .size = strlen(text) };
}

static void a_cluster_is_read_with_its_defaults(void **state)
{
	(void)state;
	struct cluster_config cluster;
	struct config_error error;
	char shown[ADDRESS_TEXT_SIZE];
	const char *text =
		CLUSTER_HEAD "arbiter: ping\nping_target: 10.3.0.254\nsilence: 3s\n" CLUSTER_NODES;
	assert_int_equal(config_read_cluster_text("c.yaml", text_bytes(text), &cluster, &error), 0);
	assert_string_equal(cluster.name, "demo");
	assert_int_equal(cluster.epoch, 1);
	assert_int_equal(cluster.port, 7600);
	assert_int_equal(cluster.beat_ns, 200 * NS_PER_MS);
	assert_int_equal(cluster.silence_ns, 3 * NS_PER_S);
	assert_int_equal(cluster.margin_ns, 500 * NS_PER_MS);
	assert_int_equal(cluster.arbiter, ARBITER_PING);
	assert_string_equal(address_format(&cluster.ping_target, shown), "10.3.0.254");
	assert_int_equal(cluster.node_count, 2);
	assert_string_equal(config_node_by_id(&cluster, 2)->name, "b");
	assert_string_equal(
		address_format(&config_node_by_name(&cluster, "b")->addresses[1], shown),
		"10.3.0.2");
	assert_null(config_node_by_name(&cluster, "c"));
}

static void print_and_read_again(const char *text)
{
	struct cluster_config cluster, again;
	struct config_error error;
	char printed[2048] = "";
	assert_int_equal(config_read_cluster_text("c.yaml", text_bytes(text), &cluster, &error), 0);
	FILE *out = fmemopen(printed, sizeof(printed), "w");
	assert_non_null(out);
	assert_int_equal(config_print_cluster(&cluster, out), 0);
	fclose(out);
	assert_int_equal(
		config_read_cluster_text("c.yaml", text_bytes(printed), &again, &error), 0);
	assert_memory_equal(&cluster, &again, sizeof(cluster));
}

static void what_is_printed_is_read_again(void **state)
{
	(void)state;
	print_and_read_again(CLUSTER_HEAD "epoch: 7\nport: 7700\n" CLUSTER_NODES);
	/* Colons mean something to YAML, at an end most of all. */
	print_and_read_again(
		CLUSTER_HEAD "arbiter: ping\nping_target: \"2001:db8::\"\nnodes:\n"
			     "- {name: a, id: 1, addresses: [fd00:1::1, \"fd00:2::\", 10.0.0.1]}\n"
			     "- {name: b, id: 2, addresses: [fd00:1::2, fd00:2::1, 10.0.0.2]}\n");
}

static void a_module_has_addresses_of_both_families(void **state)
{
	(void)state;
	struct module_settings *settings = calloc(1, sizeof(*settings));
	struct config_error error;
	char shown[256];
	const struct setting *row = &module_rows[MODULE_ADDRESSES];
	const char *text =
		MODULE_HEAD "addresses: [10.3.0.100, \"FD00:0::100\", fd00::101/64@eth0]\n";
	assert_non_null(settings);
	assert_int_equal(config_read_module_text("m.yaml", text_bytes(text), settings, &error), 0);
	settings_format(row, settings, shown, sizeof(shown));
	assert_string_equal(shown, "10.3.0.100, fd00::100, fd00::101/64@eth0");
	assert_int_equal(settings->addresses[1].prefix, 0);
	assert_int_equal(settings->addresses[2].prefix, 64);
	assert_string_equal(settings->addresses[2].interface, "eth0");
	free(settings);
}

static void a_module_is_read_with_its_defaults(void **state)
{
	(void)state;
	struct module_settings *settings = calloc(1, sizeof(*settings));
	struct config_error error;
	const char *text =
		"kind: mirror\nnumber: 7\nnodes: [a, b]\npreferred: b\nfailover: false\n"
		"directories:\n- /srv/with space\n- /var/lib/x\n"
		"address: 10.3.0.100/24@eth0\ndurability: fsync\npeer_timeout: 500ms\n"
		"checks:\n- tcp: 5432\n  interval: 1s\n- command: ready\n  timeout: 90s\n";
	int result = config_read_module_text("m.yaml", text_bytes(text), settings, &error);
	assert_int_equal(result, 0);
	assert_int_equal(settings->number, 7);
	assert_string_equal(settings->nodes[1], "b");
	assert_string_equal(settings->preferred, "b");
	assert_false(settings->has_failover);
	assert_int_equal(settings->directory_count, 2);
	assert_string_equal(settings->directories[0], "/srv/with space");
	assert_int_equal(settings->address_count, 1);
	assert_int_equal(settings->addresses[0].prefix, 24);
	assert_string_equal(settings->addresses[0].interface, "eth0");
	assert_int_equal(settings->durability, DURABILITY_FSYNC);
	assert_int_equal(settings->peer_timeout_ns, 500 * NS_PER_MS);
	assert_int_equal(settings->script_timeout_ns, 300 * NS_PER_S);
	assert_int_equal(settings->repairs_max, 3);
	assert_int_equal(settings->repairs_window_ns, 24 * 3600 * NS_PER_S);
	assert_int_equal(settings->check_count, 2);
	assert_string_equal(settings->checks[0].name, "tcp.5432");
	assert_int_equal(settings->checks[1].kind, CHECK_COMMAND);
	assert_string_equal(settings->checks[1].name, "command.ready");
	assert_int_equal(settings->checks[1].timeout_ns, 90 * NS_PER_S);
	free(settings);
}

struct wrong {
	const char *text, *sentence;
};

/* clang-format off */
static const struct wrong wrong_clusters[] = {
	{ "", "c.yaml: the file is empty; expected lines 'key: value'" },
	{ "- a\n", "c.yaml:1: found a list; expected lines 'key: value'" },
	{ "cluster: [\n",
		"c.yaml:2: this is not YAML: did not find expected node content at column 1" },
	{ "nodes: [node1\nkind: }{\n",
		"c.yaml:2: this is not YAML: did not find expected ',' or ']' at column 5" },
	{ "cluster: a: b\n",
		"c.yaml:1: this is not YAML: mapping values are not allowed in this context at column 11" },
	{ CLUSTER_HEAD "silense: 2s\n" CLUSTER_NODES,
		"c.yaml:2: key 'silense': there is no such setting; did you mean 'silence'?" },
	{ CLUSTER_HEAD "colour: red\n" CLUSTER_NODES, "c.yaml:2: key 'colour': there is no such "
						      "setting; 'evenkeel settings' lists them" },
	{ CLUSTER_HEAD "silence: 2\n" CLUSTER_NODES, "c.yaml:2: key 'silence': found '2'; expected "
						     "a duration from 200ms to 1m, such as 2s" },
	{ CLUSTER_HEAD "silence: [2s]\n" CLUSTER_NODES,
		"c.yaml:2: key 'silence': found a list; expected a duration from 200ms to 1m, such "
		"as 2s" },
	{ CLUSTER_HEAD "port: 65535\n" CLUSTER_NODES,
		"c.yaml:2: key 'port': found '65535'; expected a whole number from 1 to 65527" },
	{ CLUSTER_HEAD "port: 0x10\n" CLUSTER_NODES,
		"c.yaml:2: key 'port': found '0x10'; expected a whole number from 1 to 65527" },
	{ CLUSTER_HEAD "port:\n" CLUSTER_NODES,
		"c.yaml:2: key 'port': found nothing; expected a whole number from 1 to 65527" },
	{ CLUSTER_HEAD "port: 1\nport: 2\n" CLUSTER_NODES,
		"c.yaml:3: key 'port': is given twice (first in line 2); expected once" },
	{ CLUSTER_HEAD "arbiter: &x ping\n" CLUSTER_NODES,
		"c.yaml:2: key 'arbiter': found an anchor (&); expected operator or ping" },
	{ CLUSTER_HEAD "arbiter: ping\n" CLUSTER_NODES,
		"c.yaml:2: key 'arbiter': found 'ping' without 'ping_target'; expected "
		"'ping_target: ADDRESS', such as the gateway's" },
	{ CLUSTER_HEAD "silence: 500ms\n" CLUSTER_NODES,
		"c.yaml:2: key 'silence': silence less margin leaves no room for two beats; "
		"expected silence of at least margin + 2 x beat, such as silence 2s, margin 500ms, "
		"beat 200ms" },
	{ CLUSTER_NODES, "c.yaml:1: key 'cluster': is missing; expected a name of at most 64 "
			 "letters, digits, '.', '_' or '-', beginning with a letter or digit" },
	{ CLUSTER_HEAD "nodes: []\n",
		"c.yaml:2: key 'nodes': found an empty list; expected at least one" },
	{ CLUSTER_HEAD "nodes:\n- {name: a, id: 1}\n",
		"c.yaml:3: key 'addresses': is missing; expected a list of 1 to 8: an address such "
		"as 10.0.0.1 or fd00::1" },
	{ CLUSTER_HEAD "nodes:\n- {name: a, id: 1, addresses: fe80::1}\n",
		"c.yaml:3: key 'addresses': found 'fe80::1', which is link-local: it counts on one "
		"link only; expected a list of 1 to 8: an address such as 10.0.0.1 or fd00::1" },
	{ CLUSTER_HEAD "nodes:\n- {name: a, id: 1, addresses: [10.0.0.1, fd00:1::1]}\n- {name: b, "
		       "id: 2, addresses: [fd00:1::2, 10.0.0.2]}\n",
		"c.yaml:2: key 'nodes': on network 1 node 'a' has 10.0.0.1 and node 'b' has "
		"fd00:1::2; expected both IPv4, or both IPv6, in the same order of networks" },
	{ CLUSTER_HEAD "nodes:\n- {name: a, id: 1, addresses: fd00::1}\n- {name: b, id: 2, "
		       "addresses: fd00:0:0::1}\n",
		"c.yaml:2: key 'nodes': nodes 'a' and 'b' both have address fd00::1; expected "
		"addresses of their own" },
	{ CLUSTER_HEAD "ping_target: ::1\n" CLUSTER_NODES,
		"c.yaml:2: key 'ping_target': found '::1', which is a host's own loopback "
		"address; expected an address such as 10.0.0.1 or fd00::1" },
	{ CLUSTER_HEAD "ping_target: 10.0.0.2\nnodes:\n- {name: a, id: 1, addresses: 10.0.0.1}\n- "
		       "{name: b, id: 2, addresses: 10.0.0.2}\n",
		"c.yaml:2: key 'ping_target': found 10.0.0.2, the address of node 'b' itself, which "
		"says nothing of who is cut off; expected another host's, such as the gateway's" },
	{ CLUSTER_HEAD "nodes:\n- {name: a, id: 1, addresses: [10.0.0.1, 10.0.0.1]}\n",
		"c.yaml:2: key 'nodes': node 'a' has address 10.0.0.1 twice; expected one address "
		"for each network" },
	{ CLUSTER_HEAD "nodes:\n- {name: a, id: 65, addresses: 10.0.0.1}\n",
		"c.yaml:3: key 'id': found '65'; expected a whole number from 1 to 64" },
	{ CLUSTER_HEAD "nodes:\n- {name: a, id: 1, addresses: 10.0.0.1}\n- {name: b, id: 1, "
		       "addresses: 10.0.0.2}\n",
		"c.yaml:2: key 'nodes': nodes 'a' and 'b' both have id 1; expected an id for "
		"each" },
	{ CLUSTER_HEAD "nodes:\n- {name: a, id: 1, addresses: 10.0.0.1}\n- {name: b, id: 2, "
		       "addresses: 10.0.0.1}\n",
		"c.yaml:2: key 'nodes': nodes 'a' and 'b' both have address 10.0.0.1; expected "
		"addresses of their own" },
	{ CLUSTER_HEAD "nodes:\n- {name: a, id: 1, addresses: 10.0.0.1}\n- {name: b, id: 2, "
		       "addresses: [10.0.0.2, 10.0.0.3]}\n",
		"c.yaml:2: key 'nodes': node 'b' has 2 addresses, node 'a' has 1; expected one for "
		"each network on every node" },
	{ CLUSTER_HEAD CLUSTER_NODES "---\n",
		"c.yaml:5: found a second document ('---'); expected one" },
};

#define ADDRESS_EXPECTED \
	"expected an address such as 10.0.0.100, 10.0.0.100/24, fd00::100 or fd00::100@eth0"

static const struct wrong wrong_modules[] = {
	{ "nodes: [a, b]\ndirectories: [/data]\n",
		"m.yaml:1: key 'number': is missing; expected a whole number from 1 to 512" },
	{ "number: 1\nnodes: [a, b]\ndirectories: [data]\n",
		"m.yaml:3: key 'directories': found 'data'; expected a list of 1 to 8: an absolute "
		"path without '.', '..', or '/' at its end" },
	{ "number: 1\nnodes: [a, b]\ndirectories: [/a/../b]\n",
		"m.yaml:3: key 'directories': found '/a/../b'; expected a list of 1 to 8: an "
		"absolute path without '.', '..', or '/' at its end" },
	{ "number: 1\nnodes: [a, b]\ndirectories: [/]\n",
		"m.yaml:3: key 'directories': found '/'; expected a directory below it" },
	{ "number: 1\nnodes: [a, b]\ndirectories: [/a, /a/b]\n",
		"m.yaml:3: key 'directories': '/a' and '/a/b' lie one in the other; expected "
		"directories apart from each other" },
	{ "number: 1\nnodes: [a, a]\ndirectories: [/data]\n",
		"m.yaml:2: key 'nodes': expected two different nodes" },
	{ "number: 1\nnodes: [a, b, c]\ndirectories: [/data]\n",
		"m.yaml:2: key 'nodes': found more than 2; expected at most so many" },
	{ MODULE_HEAD "preferred: c\n", "m.yaml:4: key 'preferred': found 'c', which does not run "
					"this module; expected a or b" },
	{ MODULE_HEAD "failover: yes\n",
		"m.yaml:4: key 'failover': found 'yes'; expected true or false" },
	{ MODULE_HEAD "durability: strict\n",
		"m.yaml:4: key 'durability': found 'strict'; expected call or fsync" },
	{ MODULE_HEAD "kind: farm\n", "m.yaml:4: key 'kind': found 'farm'; expected mirror or "
				    "single" },
	{ "number: 1\nnodes: [a, b]\n",
		"m.yaml:1: key 'directories': is missing; expected a list of 1 to 8: an absolute "
		"path without '.', '..', or '/' at its end" },
	{ "number: 1\nnodes: [a, b]\ndirectories: []\n",
		"m.yaml:3: key 'directories': found an empty list; expected at least one" },
	{ SINGLE_HEAD "directories: [/data]\n",
		"m.yaml:4: key 'directories': " NOT_A_SINGLES },
	{ SINGLE_HEAD "preferred: a\n", "m.yaml:4: key 'preferred': " NOT_A_SINGLES },
	{ SINGLE_HEAD "failover: true\n", "m.yaml:4: key 'failover': " NOT_A_SINGLES },
	{ SINGLE_HEAD "durability: call\n", "m.yaml:4: key 'durability': " NOT_A_SINGLES },
	{ SINGLE_HEAD "peer_timeout: 2s\n", "m.yaml:4: key 'peer_timeout': " NOT_A_SINGLES },
	{ "kind: single\nnumber: 1\nnodes: [a, b]\n",
		"m.yaml:3: key 'nodes': found two nodes; expected one: a module of kind single "
		"runs on one node" },
	{ MODULE_HEAD "address: 10.0.0.300\n",
		"m.yaml:4: key 'address': found '10.0.0.300', which has a number above "
		"255; " ADDRESS_EXPECTED },
	{ MODULE_HEAD "address: 10.0.0.3/33\n",
		"m.yaml:4: key 'address': found '10.0.0.3/33', which has a prefix that is "
		"not from 1 to 32; " ADDRESS_EXPECTED },
	{ MODULE_HEAD "address: 10.0.0.03\n",
		"m.yaml:4: key 'address': found '10.0.0.03', which has a number with a zero before "
		"it, which some read as octal; " ADDRESS_EXPECTED },
	{ MODULE_HEAD "address: 10.0.0.3/24x\n",
		"m.yaml:4: key 'address': found '10.0.0.3/24x', which has something behind its "
		"prefix; " ADDRESS_EXPECTED },
	{ MODULE_HEAD "address: 10.0.0.3@\n",
		"m.yaml:4: key 'address': found '10.0.0.3@', which has no name of an interface "
		"behind its '@'; " ADDRESS_EXPECTED },
	{ MODULE_HEAD "address: 10.0.0.3@lo\n",
		"m.yaml:4: key 'address': found '10.0.0.3@lo', which names the loopback interface "
		"'lo', where no client comes from; " ADDRESS_EXPECTED },
	{ MODULE_HEAD "address: 10.0.0.0/24\n",
		"m.yaml:4: key 'address': found '10.0.0.0/24', which is the address of its network "
		"itself, of no host; " ADDRESS_EXPECTED },
	{ MODULE_HEAD "address: 10.0.0.255/24@eth0\n",
		"m.yaml:4: key 'address': found '10.0.0.255/24@eth0', which is the broadcast "
		"address of its network, of all hosts there; " ADDRESS_EXPECTED },
	{ MODULE_HEAD "address: 'fd00::/64'\n",
		"m.yaml:4: key 'address': found 'fd00::/64', which is the address of all routers "
		"of its network (subnet-router anycast), of no one host; " ADDRESS_EXPECTED },
	{ MODULE_HEAD "address: 224.0.0.18\n",
		"m.yaml:4: key 'address': found '224.0.0.18', which is a multicast address, of a "
		"group of hosts; " ADDRESS_EXPECTED },
	{ MODULE_HEAD "addresses: [10.0.0.3, 10.0.0.3@eth0]\n",
		"m.yaml:4: key 'addresses': 10.0.0.3 is given twice; expected each address once" },
	{ MODULE_HEAD "address: 10.0.0.3\naddresses: [10.0.0.4]\n",
		"m.yaml:4: key 'address': 'addresses' is given too; expected one of the two" },
	{ MODULE_HEAD "checks: [5432]\n", "m.yaml:4: key 'checks': found '5432'; expected a list "
					  "of 1 to 16: maps, each line as '- key: value'" },
	{ MODULE_HEAD "checks: [{interval: 1s}]\n",
		"m.yaml:4: key 'checks': check 1 has neither 'tcp' nor 'command'; expected one of "
		"'tcp: PORT' and 'command: FILE'" },
	{ MODULE_HEAD "checks: [{command: ../x}]\n",
		"m.yaml:4: key 'command': found '../x'; expected the name of a file below the "
		"module's bin/" },
	{ MODULE_HEAD "repairs: many\n",
		"m.yaml:4: key 'repairs': found 'many'; expected a whole number from 0 to 100" },
};

/* clang-format on */

static void each_wrong_cluster_has_its_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(wrong_clusters); i++) {
		struct cluster_config cluster;
		struct config_error error = { "" };
		assert_int_equal(config_read_cluster_text("c.yaml",
					 text_bytes(wrong_clusters[i].text), &cluster, &error),
			-EINVAL);
		assert_string_equal(error.sentence, wrong_clusters[i].sentence);
	}
}

static void a_single_has_one_node_and_no_directories(void **state)
{
	(void)state;
	struct module_settings *settings = calloc(1, sizeof(*settings));
	struct config_error error;
	const char *text = SINGLE_HEAD "address: 10.3.0.100\nrepairs: 1\nchecks:\n- tcp: 80\n";
	assert_int_equal(config_read_module_text("m.yaml", text_bytes(text), settings, &error), 0);
	assert_int_equal(settings->kind, KIND_SINGLE);
	assert_string_equal(config_kind_name(settings->kind), "single");
	assert_int_equal(config_node_count(settings), 1);
	assert_string_equal(settings->nodes[0], "a");
	assert_int_equal(settings->directory_count, 0);
	assert_int_equal(settings->address_count, 1);
	assert_int_equal(settings->check_count, 1);
	text = MODULE_HEAD;
	assert_int_equal(config_read_module_text("m.yaml", text_bytes(text), settings, &error), 0);
	assert_int_equal(settings->kind, KIND_MIRROR);
	assert_int_equal(config_node_count(settings), 2);
	free(settings);
}

static void each_wrong_module_has_its_sentence(void **state)
{
	(void)state;
	struct module_settings *settings = calloc(1, sizeof(*settings));
	for (size_t i = 0; i < ARRAY_COUNT(wrong_modules); i++) {
		struct config_error error = { "" };
		assert_int_equal(config_read_module_text("m.yaml",
					 text_bytes(wrong_modules[i].text), settings, &error),
			-EINVAL);
		assert_string_equal(error.sentence, wrong_modules[i].sentence);
	}
	free(settings);
}

/* ---- several modules below one configuration folder ---- */

static void note_difference(void *context, const struct config_difference *difference)
{
	char *out = context;
	size_t used = strlen(out);
	snprintf(out + used, 512 - used, "%s: %s -> %s%s\n", difference->key, difference->before,
		difference->after, difference->is_live ? " (live)" : "");
}

static void another_kind_is_a_difference_that_wants_a_stop(void **state)
{
	(void)state;
	struct module_settings *before = calloc(1, sizeof(*before));
	struct module_settings *after = calloc(1, sizeof(*after));
	struct config_error error;
	char found[512] = "";
	assert_int_equal(
		config_read_module_text("m.yaml", text_bytes(MODULE_HEAD), before, &error), 0);
	assert_int_equal(
		config_read_module_text("m.yaml", text_bytes(SINGLE_HEAD), after, &error), 0);
	(void)config_compare_modules(before, after, note_difference, found);
	assert_non_null(strstr(found, "kind: mirror -> single\n"));
	assert_non_null(strstr(found, "nodes: a, b -> a\n"));
	free(before);
	free(after);
}

static void what_changed_is_listed(void **state)
{
	(void)state;
	struct module_settings *before = calloc(1, sizeof(*before)),
			       *after = calloc(1, sizeof(*after));
	struct config_error error;
	char listed[512] = "";
	assert_int_equal(config_read_module_text("m", text_bytes(MODULE_HEAD), before, &error), 0);
	assert_int_equal(
		config_read_module_text("m",
			text_bytes("number: 1\nnodes: [b, a]\ndirectories: [/data, /more]\n"
				   "script_timeout: 60s\naddress: 10.0.0.9\n"),
			after, &error),
		0);
	assert_int_equal(config_compare_modules(before, before, note_difference, listed), 0);
	assert_int_equal(config_compare_modules(before, after, note_difference, listed), 4);
	assert_string_equal(listed, "nodes: a, b -> b, a\n"
				    "directories: /data -> /data, /more\n"
				    "addresses:  -> 10.0.0.9\n"
				    "script_timeout: 5m -> 1m (live)\n");
	free(before);
	free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cluster_is_read_with_its_defaults),
		cmocka_unit_test(what_is_printed_is_read_again),
		cmocka_unit_test(a_module_has_addresses_of_both_families),
		cmocka_unit_test(a_module_is_read_with_its_defaults),
		cmocka_unit_test(each_wrong_cluster_has_its_sentence),
		cmocka_unit_test(a_single_has_one_node_and_no_directories),
		cmocka_unit_test(another_kind_is_a_difference_that_wants_a_stop),
		cmocka_unit_test(each_wrong_module_has_its_sentence),
		cmocka_unit_test(what_changed_is_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
