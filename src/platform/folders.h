/*
 * The three folders of a node, their options and defaults, and the files in them: once for all
 * programs (docs/reference.md is made of these rows).
 *
 * Not for: what stands in the files, and modules' own files. Any thread.
 */
#ifndef EVENKEEL_PLATFORM_FOLDERS_H
#define EVENKEEL_PLATFORM_FOLDERS_H

#include <stdbool.h>

#include "base/limits.h"
#include "base/macros.h"

/* clang-format off */
/* X(constant, option, default, help) */
#define FOLDERS(X) \
	X(FOLDER_CONFIG, "config", "/etc/evenkeel",	"configuration folder") \
	X(FOLDER_STATE,	 "state",  "/var/lib/evenkeel", "state folder") \
	X(FOLDER_RUN,	 "run",	   "/run/evenkeel",	"folder of the sockets")

/* X(constant, folder, name, help); NAME in a name: the module's. */
#define NODE_FILES(X) \
	X(NODE_FILE_CLUSTER, FOLDER_CONFIG, "cluster.yaml",	     "the cluster: nodes, addresses, arbiter") \
	X(NODE_FILE_SELF,		 FOLDER_CONFIG, "node",		     "one line: this node's name") \
	X(NODE_FILE_MODULES,		 FOLDER_CONFIG, "modules",	     "a folder for each module: module.yaml and bin/") \
	X(NODE_FILE_MODULE,		 FOLDER_CONFIG, "modules/NAME",	     "one module's folder") \
	X(NODE_FILE_SECRET,	 FOLDER_CONFIG, "secret",	     "32 bytes, hex: the key of the beats comes from it") \
	X(NODE_FILE_TLS,		 FOLDER_CONFIG, "tls",		     "ca.pem, node.pem, node.key: who may be a node; ca.key where nodes are added") \
	X(NODE_FILE_RECORD,		 FOLDER_STATE,	"NAME.record",	     "evenkeeld's slot file: the durable record of the module") \
	X(NODE_FILE_BARRIERS,	 FOLDER_STATE,	"NAME.fs",	     "evenkeel-fs's slot file: barriers, lease") \
	X(NODE_FILE_INDEX,		 FOLDER_STATE,	"NAME.index",	     "object index") \
	X(NODE_FILE_EVENTS,		 FOLDER_STATE,	"events.jsonl",	     "the events of this node, one a line") \
	X(NODE_FILE_EVENTS_OLD,	 FOLDER_STATE,	"events.jsonl.1",    "those before them") \
	X(NODE_FILE_HOLD_SOCKET,	 FOLDER_RUN,	"hold.sock",	     "evenkeel-hold keeps descriptors") \
	X(NODE_FILE_CONTROL_SOCKET,	 FOLDER_RUN,	"control.sock",	     "evenkeeld and evenkeel-fs") \
	X(NODE_FILE_ADMIN_SOCKET,	 FOLDER_RUN,	"admin.sock",	     "evenkeeld and evenkeel, consoles") \
	X(NODE_FILE_HOLD_LOCK,	 FOLDER_RUN,	"hold.lock",	     "held by evenkeel-hold") \
	X(NODE_FILE_DAEMON_LOCK,	 FOLDER_RUN,	"evenkeeld.lock",    "held by evenkeeld; its process id") \
	X(NODE_FILE_MODULE_LOCK,	 FOLDER_RUN,	"NAME.lock",	     "held by the module's evenkeel-fs") \
	X(NODE_FILE_WORDS,		 FOLDER_RUN,	"NAME.words",	     "what the module's evenkeel-fs could not do when it was started last") \
	X(NODE_FILE_RUNTIME,		 FOLDER_RUN,	"NAME.runtime",	     "what runs now; gone with the machine") \
	X(NODE_FILE_RUNTIME_NEXT,	 FOLDER_RUN,	"NAME.runtime.new", "the same, while it is written") \
	X(NODE_FILE_APPLIED,		 FOLDER_RUN,	"NAME.yaml",	     "the settings that the module runs under") \
	X(NODE_FILE_APPLIED_NEXT,	 FOLDER_RUN,	"NAME.new.yaml",     "the same, while they are written")
/* clang-format on */

#define FOLDER_CONSTANT(constant, option, standard, help) constant,
#define NODE_FILE_CONSTANT(constant, folder, name, help)  constant,

enum folder { FOLDERS(FOLDER_CONSTANT) FOLDER_COUNT };
enum node_file { NODE_FILES(NODE_FILE_CONSTANT) NODE_FILE_COUNT };

extern const struct folder_row {
	const char *option, *standard, *help;
} folder_rows[FOLDER_COUNT];

extern const struct node_file_row {
	enum folder folder;
	const char *name, *help;
} node_file_rows[NODE_FILE_COUNT];

/* Rows for getopt_long(3); what it gives is FOLDER_GIVEN + the folder. */
#define FOLDER_GIVEN 256
#define FOLDER_GETOPT(constant, option, standard, help_text) \
	{ option, required_argument, NULL, FOLDER_GIVEN + (constant) },
/* Lines of --help. */
#define FOLDER_HELP(constant, option, standard, help_text) \
	"  --" option " DIR  " help_text ", " standard " by default\n"

/* False: with the names in it, a path would be too long. */
bool folder_is_usable(const char *path);
/* FOLDER/NAME of the file. folder is usable; module: NULL if the file is none of a module. */
void node_file_path(
	char out[PATH_SIZE_MAX], enum node_file file, const char *folder, const char *module);

#endif
