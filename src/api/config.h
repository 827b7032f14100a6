/*
 * The two configuration files, parsed and checked: cluster.yaml (the nodes) and
 * modules/NAME/module.yaml.
 *
 * Every key is a row of a settings table (config.c and config_module.c): key, type, range, default,
 * changeable while running, help. Errors are sentences with file, line, key, what was found and
 * what was expected. Not for: whether a directory exists or an address is free; that is checked
 * where it is used (api/preflight.c). Any thread.
 */
#ifndef EVENKEEL_API_CONFIG_H
#define EVENKEEL_API_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/address.h"
#include "base/copies.h"
#include "base/limits.h"
#include "base/macros.h"
#include "core/core.h"

struct config_error {
	char sentence[SENTENCE_SIZE_MAX]; /* FILE:LINE: key 'x': what is wrong; what was expected */
};

struct node_config {
	uint8_t id; /* 1..NODES_MAX, never given twice */
	char name[NODE_NAME_MAX + 1];
	uint8_t address_count;
	struct address addresses[LINKS_MAX]; /* one a network, the same order on all nodes; client
						network last */
};

struct cluster_config {
	char name[NODE_NAME_MAX + 1];
	uint64_t epoch; /* of the configuration */
	uint16_t port;	/* UDP port+link: beats; TCP port: streams. Default 7600 */
	int64_t beat_ns, silence_ns, margin_ns;
	enum arbiter_kind arbiter;
	struct address ping_target; /* with ARBITER_PING */
	uint8_t node_count;
	struct node_config nodes[NODES_MAX];
};

/* A kind has a row in config_module.c: how it is written; and one in daemon/checks: how it is done. */
enum check_kind { CHECK_TCP, CHECK_COMMAND, CHECK_KIND_COUNT };

struct check_config {
	enum check_kind kind;
	char name[NODE_NAME_MAX + 1]; /* tcp.5432, command.ready */
	uint16_t tcp_port;
	char command[PATH_SIZE_MAX]; /* below the module's bin/ */
	int64_t interval_ns, timeout_ns;
};

struct address_config {
	struct address address;
	uint8_t prefix;	    /* 0: of IPv4 as the interface's own network, of IPv6 128 */
	char interface[16]; /* empty: the one whose network holds the address */
};

struct module_settings {
	enum module_kind kind;
	uint16_t number; /* the same on all nodes: given by `module add`, stands in module.yaml as
			    `number` */
	char name[MODULE_NAME_MAX + 1];
	char folder[PATH_SIZE_MAX];	   /* where module.yaml and bin/ lie */
	char nodes[2][NODE_NAME_MAX + 1];  /* a single has one; the other is empty */
	char preferred[NODE_NAME_MAX + 1]; /* empty: none */
	bool has_failover;
	uint8_t directory_count;
	char directories[ROOTS_MAX][PATH_SIZE_MAX];
	uint8_t address_count;
	struct address_config addresses[ADDRESSES_MAX];
	enum durability durability;
	int64_t disk_timeout_ns;   /* 5 s: what does not answer for so long counts as stuck */
	int64_t peer_timeout_ns;   /* 2 s: without progress for so long, the peer is dropped */
	int64_t script_timeout_ns; /* 300 s */
	uint8_t repairs_max;
	int64_t repairs_window_ns;
	uint8_t check_count;
	struct check_config checks[CHECKS_MAX];
	bool has_script[SCRIPT_COUNT]; /* found in bin/ by config_read_modules() */
};

/* A module that cannot be used as it is written. */
struct config_wrong {
	char name[MODULE_NAME_MAX + 1]; /* of its folder, cut to this */
	bool is_going_on;		/* it runs, and stands in the list as it was applied last */
	struct config_error error;
};

struct config_modules {
	int count, wrong_count;
	struct module_settings *list; /* the right ones, by name */
	struct config_wrong *wrong;   /* likewise */
};

/* Errors: -EINVAL with a sentence in out_error; of open(2) likewise. */
int config_read_cluster(const char *path, struct cluster_config *out_config,
	struct config_error *out_error) MUST_CHECK;
int config_read_module(const char *folder, struct module_settings *out_settings,
	struct config_error *out_error) MUST_CHECK;
/*
 * All modules below config_folder/modules, and what must hold between them (names, numbers,
 * directories, addresses). A wrong one does not spoil the others: it is listed with its complaint. Of
 * two that exclude each other the first by name is taken, so that it is the same on every node.
 * A module that runs (run_folder holds its settings; NULL: nobody is asked) and has become wrong, or
 * other in what cannot change while it runs, is taken as it was applied, and its complaint is listed.
 * Gives out_modules: config_modules_done(). Errors: -EINVAL with a sentence: the folder cannot be read,
 * or holds too many; -ENOMEM.
 */
int config_read_modules(const char *config_folder, const struct cluster_config *cluster,
	const char *run_folder, struct config_modules *out_modules,
	struct config_error *out_error) MUST_CHECK;
/* The same, for whoever wants all of them or nothing: the first wrong one is an error. */
int config_read_all_modules(const char *config_folder, const struct cluster_config *cluster,
	struct config_modules *out_modules, struct config_error *out_error) MUST_CHECK;
/* The settings under which a module runs, for as long as it does: whoever starts anew meanwhile goes
 * on with them, whatever module.yaml has become. Errors: of open(2), of write(2); none are kept then. */
int config_keep_applied(const char *run_folder, const struct module_settings *settings) MUST_CHECK;
void config_forget_applied(const char *run_folder, const char *name);
/* They, or the module.yaml in folder if none are kept. Errors: as of config_read_module(). */
int config_read_applied(const char *run_folder, const char *folder,
	struct module_settings *out_settings, struct config_error *out_error) MUST_CHECK;
/* Takes what is half made, and what is zero. */
void config_modules_done(struct config_modules *modules);
/* Which node this is: the one line of config_folder/node, looked up in the cluster; points into
 * cluster. */
int config_read_self(const char *config_folder, const struct cluster_config *cluster,
	const struct node_config **out_self, struct config_error *out_error) MUST_CHECK;
/* From memory, file is only a name: for the fuzzer and the tests. */
int config_read_cluster_text(const char *file, struct bytes text,
	struct cluster_config *out_cluster, struct config_error *out_error) MUST_CHECK;
int config_read_module_text(const char *file, struct bytes text,
	struct module_settings *out_settings, struct config_error *out_error) MUST_CHECK;
/* cluster.yaml as a text, every setting that is not its default. Errors: as of stdio. */
int config_print_cluster(const struct cluster_config *cluster, FILE *out) MUST_CHECK;
/* The same in memory of its own (gives: free(3)); NULL: out of memory. */
char *config_cluster_text(const struct cluster_config *cluster);
/* All settings of both files, with what they take. */
void config_print_help(FILE *out);
/* The same as an array of {"file", "key", "expected", "default", "is_required", "is_live", "help"}. Gives
 * it. */
json_t *config_help_json(void);

/* One setting that is not the same any more. The texts are borrowed until the callback returns. */
struct config_difference {
	const char *key, *before, *after;
	bool is_live; /* may change while the module runs */
};
typedef void config_difference_function(void *context, const struct config_difference *difference);
/* Gives how many settings differ; calls back for each, in the table's order. */
int config_compare_modules(const struct module_settings *before,
	const struct module_settings *after, config_difference_function *on_difference,
	void *context);

/* mirror, single. */
const char *config_kind_name(enum module_kind kind);
/* How many nodes run it. */
int config_node_count(const struct module_settings *settings);

/* True if one path is the other, or lies below it. */
bool config_path_is_within(const char *path, const char *above);
const struct node_config *config_node_by_name(
	const struct cluster_config *cluster, const char *name);
const struct node_config *config_node_by_id(const struct cluster_config *cluster, uint8_t id);

#endif
