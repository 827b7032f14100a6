/*
 * What may be asked over admin.sock: commands, refusals and the lines of a subscription as rows,
 * for evenkeeld, evenkeel, consoles and docs/reference.md.
 *
 * One JSON object a line each way. A request is {"command":NAME,"module":NAME,"force":false}; an
 * answer has "ok", and beside it the fields of its command, or "refusal" and "sentence". Not for:
 * what the commands do (daemon/admin). Any thread.
 */
#ifndef EVENKEEL_API_ADMIN_H
#define EVENKEEL_API_ADMIN_H

#include <stdbool.h>

#include "api/fields.h"
#include "base/limits.h"
#include "base/words.h"
#include "core/core.h"

#define ADMIN_ALIVE_NS NS_PER_S /* a subscription has a line at least so often */

/* clang-format off */
/* Who may give a command. The socket is root's, who may all; consoles ask for a role. */
#define ROLES(X) \
	X(ROLE_MONITOR, "Monitor", "sees") \
	X(ROLE_CONTROL, "Control", "sees, starts, stops and moves modules") \
	X(ROLE_ADMIN,	"Admin",   "all, and changes the configuration")

/* X(constant, name, role, whether it names a module, whether it takes force, fields of the answer,
 * help) */
#define ADMIN_COMMANDS(X) \
	X(ADMIN_STATUS,	   "status",	ROLE_MONITOR, false, false, &shown_status_fields, "what is going on, once") \
	X(ADMIN_SUBSCRIBE, "subscribe", ROLE_MONITOR, false, false, &shown_status_fields, "what is going on, and each change from then on, one line each") \
	X(ADMIN_START,	   "start",	ROLE_CONTROL, true,  true,  NULL, "start the module on this node; looks at the node first") \
	X(ADMIN_STOP,	   "stop",	ROLE_CONTROL, true,  true,  NULL, "stop the module on this node") \
	X(ADMIN_RESTART,   "restart",	ROLE_CONTROL, true,  true,  NULL, "stop and start the application, on this node") \
	X(ADMIN_SWAP,	   "swap",	ROLE_CONTROL, true,  true,  NULL, "exchange primary and secondary") \
	X(ADMIN_PRIM,	   "prim",	ROLE_CONTROL, true,  true,  NULL, "make this node the primary: its data counts") \
	X(ADMIN_SECOND,	   "second",	ROLE_CONTROL, true,  true,  NULL, "start this node as the secondary") \
	X(ADMIN_VERIFY,	   "verify",	ROLE_CONTROL, true,  false, &admin_verified_fields, "compare the two copies while the module runs") \
	X(ADMIN_PLAN,	   "plan",	ROLE_MONITOR, false, false, NULL, "what `reload` would change: `changes`, a list of sentences") \
	X(ADMIN_RELOAD,	   "reload",	ROLE_ADMIN,   false, false, NULL, "take the configuration files over")

/* X(constant, name, when); those of the core in the order of enum refusal. */
#define ADMIN_REFUSALS(X) \
	X(ADMIN_REFUSED_NONE,		 "none",	    "nothing was refused") \
	X(ADMIN_REFUSED_UNKNOWN_MODULE,	 "unknown_module",  "there is no such module on this node") \
	X(ADMIN_REFUSED_ALREADY_SO,	 "already_so",	    "what was asked for is so already: `evenkeel` counts it as done") \
	X(ADMIN_REFUSED_NOT_RUNNING,	 "not_running",	    "the module is stopped here") \
	X(ADMIN_REFUSED_NOT_UP_TO_DATE,	 "not_up_to_date",  "the copy on this node misses writes that clients were promised") \
	X(ADMIN_REFUSED_PEER_NOT_READY,	 "peer_not_ready",  "the other node is not SECOND Ready") \
	X(ADMIN_REFUSED_PEER_IS_PRIMARY, "peer_is_primary", "the other node serves this module") \
	X(ADMIN_REFUSED_WOULD_LOSE,	 "would_lose",	    "it may lose data, and force was not given") \
	X(ADMIN_REFUSED_BUSY,		 "busy",	    "another change of this module is under way") \
	X(ADMIN_REFUSED_NOT_THIS_NODE,	 "not_this_node",   "the module does not run on this node") \
	X(ADMIN_REFUSED_NOT_ITS_KIND,	 "not_its_kind",    "modules of this kind know no such command") \
	X(ADMIN_REFUSED_STREAM_ONLY,	 "stream_only",	    "nothing but the stream, which a swap ends, leads to the other node") \
	X(ADMIN_REFUSED_NOT_RECORDABLE,	 "not_recordable",  "the disk of a state folder does not answer, so it could not be recorded who serves") \
	X(ADMIN_REFUSED_PREFLIGHT,	 "preflight",	    "something on this node stands in the way; findings has a sentence for each") \
	X(ADMIN_REFUSED_CONFIGURATION,	 "configuration",   "the configuration files are wrong") \
	X(ADMIN_REFUSED_UNKNOWN_COMMAND, "unknown_command", "there is no such command") \
	X(ADMIN_REFUSED_WRONG_REQUEST,	 "wrong_request",   "a field of the request is wrong; the sentence names it") \
	X(ADMIN_REFUSED_TOO_MANY,	 "too_many",	    "as many subscribe as may; commands are still taken") \
	X(ADMIN_REFUSED_SUBSCRIBED,	 "subscribed",	    "this connection shows changes; commands want one of their own")

/* The lines of a subscription, each with its "type". */
#define ADMIN_LINES(X) \
	X(ADMIN_LINE_SNAPSHOT, "snapshot", "the status, as `status` answers it") \
	X(ADMIN_LINE_CHANGES,  "changes",  "of cluster, nodes, arbiter what has changed, whole; of modules those that have changed, each whole; gone: names of modules that are no longer there") \
	X(ADMIN_LINE_ALIVE,    "alive",	   "nothing has changed for a second; counters, as in the status") \
	X(ADMIN_LINE_LOST,     "lost",	   "changes were lost, because this connection was read too slowly; a snapshot follows")
/* clang-format on */

enum role { ROLES(WORD_CONSTANT) ROLE_COUNT };

#define ADMIN_CONSTANT(constant, name, role, has_module, can_force, answer, help) constant,
enum admin_command { ADMIN_COMMANDS(ADMIN_CONSTANT) ADMIN_COMMAND_COUNT };

enum admin_refusal { ADMIN_REFUSALS(WORD_CONSTANT) ADMIN_REFUSAL_COUNT };

enum admin_line_type { ADMIN_LINES(WORD_CONSTANT) ADMIN_LINE_TYPE_COUNT };

struct admin_command_row {
	const char *name;
	enum role role;
	bool has_module, can_force;
	const struct fields *answer; /* beside "ok"; NULL: a sentence */
	const char *help;
};

struct admin_request {
	const char *command, *module; /* NULL: absent */
	bool has_force, is_forced;
};

extern const struct words role_words, admin_refusal_words, admin_line_words;
extern const struct admin_command_row admin_command_rows[ADMIN_COMMAND_COUNT];
extern const struct fields admin_request_fields, admin_verified_fields;

#endif
