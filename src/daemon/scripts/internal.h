/* What the files about scripts share: scripts.c and scripts/output.c. Not for others, except for the
 * name; the daemon's thread only. */
#ifndef EVENKEEL_DAEMON_SCRIPTS_INTERNAL_H
#define EVENKEEL_DAEMON_SCRIPTS_INTERNAL_H

#include "daemon/scripts/scripts.h"

struct script_output {
	struct module *module;
	int read_fd, write_fd; /* write_fd is handed to scripts */
	struct watch watch;
	char line[SENTENCE_SIZE_MAX];
	size_t line_size;
	int64_t burst_ns;
	int burst_lines;
};

/* empty.c */
struct script_empty {
	struct module *module;
	const char *app_group, *script_group; /* borrowed */
	bool is_running;
	int64_t since_ns;
	struct timer look;
};

void scripts_empty_init(struct script_empty *empty, struct module *module);
void scripts_empty_start(struct script_empty *empty);
void scripts_empty_stop(struct script_empty *empty);

/* Takes up the pipe that hold kept, or makes one. Errors: of pipe(2) and open(2). */
int scripts_output_open(struct script_output *output, struct module *module) MUST_CHECK;
void scripts_output_close(struct script_output *output);
/* Logs what has been said and not yet been read. */
void scripts_output_take(struct script_output *output);

#endif
