/*
 * What the files of the command line share. Commands are rows of a table in commands.c; each gets
 * its parsed arguments and returns an exit code.
 *
 * A sentence for a person goes to standard error when something was refused, to standard output
 * when it was done. One thread; the process ends after one command.
 */
#ifndef EVENKEEL_CLI_CLI_H
#define EVENKEEL_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "api/admin.h"
#include "api/config.h"
#include "base/limits.h"
#include "base/macros.h"
#include "platform/folders.h"

enum exit_code { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

enum option {
	OPTION_CONFIG = FOLDER_CONFIG,
	OPTION_STATE = FOLDER_STATE,
	OPTION_RUN = FOLDER_RUN,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_NAME,
	OPTION_NODE,
	OPTION_ADDRESS,
	OPTION_ARBITER,
	OPTION_PING_TARGET,
	OPTION_PORT,
	OPTION_PASSPHRASE_FILE,
	OPTION_OUTPUT,
	OPTION_REPLACE,
	OPTION_DIRECTORY,
	OPTION_SET,
	OPTION_FORCE,
	OPTION_NO_WAIT,
	OPTION_TIMEOUT,
	OPTION_WATCH,
	OPTION_FOLLOW,
	OPTION_COUNT
};

#define VALUES_MAX     16 /* of one option */
#define POSITIONAL_MAX 4

struct arguments {
	const char *command; /* as typed, for messages: "cluster add" */
	const char *positional[POSITIONAL_MAX];
	int positional_count;
	const char *values[OPTION_COUNT][VALUES_MAX]; /* "" for an option without a value */
	int value_count[OPTION_COUNT];
	const char *config, *state, *run; /* folders */
	char programs[PATH_SIZE_MAX];	  /* where this program lies */
	bool is_json;
};

/* ---- arguments.c ---- */

extern const struct option_row {
	const char *name, *value, *help; /* value: NULL if it takes none */
} option_rows[OPTION_COUNT];

/* Splits the words into options and the others (as many as there are words, by the caller); "--"
 * ends the options. Gives an exit code. */
int arguments_parse(struct arguments *arguments, char **words, char **out_others, int *out_count);
/* The folders that the options name, or the defaults. Gives an exit code. */
int arguments_find_folders(struct arguments *arguments);
/* The option's value (the last one), or NULL. */
const char *option_value(const struct arguments *arguments, enum option option);
bool option_given(const struct arguments *arguments, enum option option);

/* Writes "evenkeel COMMAND: ..." to standard error and gives the exit code; with --json also
 * {"ok":false,"sentence":...} to standard output. */
int refuse(const struct arguments *arguments, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same where standard output has its object already. */
int refuse_again(const struct arguments *arguments, const char *format, ...) PRINTF_LIKE(2, 3);
int usage(const struct arguments *arguments, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- file.c, folder.c ---- */

/* Durable: written beside, synced, renamed over, the folder synced. Errors: negative errno. */
int file_write(const char *path, const void *data, size_t size, int mode) MUST_CHECK;
/* Gives a terminated text (free(3)). Errors: -EFBIG above 1 MiB, others of open(2). */
int file_read(const char *path, char **out_text, size_t *out_size) MUST_CHECK;
/* "FOLDER/NAME" into out; CHECKs that it fits: both come from us. */
void file_path_join(char out[PATH_SIZE_MAX], const char *folder, const char *name);
/* With its parents; durable, as all that follows here but what is removed. Errors: of mkdir(2), except
 * -EEXIST; of fsync(2). */
int folder_make(const char *path, int mode) MUST_CHECK;
/* Files, folders and symbolic links with their modes; nothing else may be in there (-EINVAL). */
int folder_copy(const char *from, const char *to) MUST_CHECK;
/* Within one folder, or the other one is not durable. After an error it is as it was. Errors: of
 * rename(2) and fsync(2). */
int folder_rename(const char *from, const char *to) MUST_CHECK;
/* With all that is in it; -ENOENT is no error. */
int folder_remove(const char *path) MUST_CHECK;

/* ---- client.c: the admin socket ---- */

/* A request of this command, to be completed. */
struct admin_request client_request(enum admin_command command);
/* Sends one request and gives the answer (json_decref). timeout_s 0: none.
 * Errors: -ENOENT or -ECONNREFUSED: evenkeeld does not run; -ETIMEDOUT; -EBADMSG. */
int client_ask(const struct arguments *arguments, struct admin_request request, int timeout_s,
	json_t **out_answer) MUST_CHECK;
/*
 * JSON, to be shown to a person: a control character in a text (a newline in the name of a file) stays
 * as it is written, with its backslash. NULL: it is none.
 */
json_t *client_load(const char *text, size_t size);
/* A connection on which lines follow one request. */
struct client_stream {
	int fd;
	bool is_json; /* lines are passed on as they are; else shown to a person */
	char *text;   /* what was received and not taken yet */
	size_t size;
};
/* timeout_s bounds each wait. Errors: as of client_ask(). */
int client_stream_open(const struct arguments *arguments, struct admin_request request,
	int timeout_s, struct client_stream *out_stream) MUST_CHECK;
/* Gives the next line. Errors: as of client_ask(); -ECONNRESET: evenkeeld ended. */
int client_stream_next(struct client_stream *stream, json_t **out_line) MUST_CHECK;
/* Something has been received already. */
bool client_stream_has_more(const struct client_stream *stream);
void client_stream_close(struct client_stream *stream);
/* Says on standard error why there is no answer. */
void client_say_no_answer(const struct arguments *arguments, int error, int timeout_s);
/* client_ask(), and a sentence on standard error if there is no answer or it is a refusal (but
 * "already_so" is none). Gives NULL then. */
json_t *client_demand(
	const struct arguments *arguments, struct admin_request request, int timeout_s);
/* An answer has other fields than are known here: says so. Gives an exit code. */
int client_refuse_words(const struct arguments *arguments, const char *what);
/* Tells a daemon that runs to read its configuration again. 0 also if none runs (*out_runs).
 * Errors: -EINVAL with the daemon's sentence. */
int client_reload(const struct arguments *arguments, bool *out_runs,
	struct config_error *out_error) MUST_CHECK;
const char *client_text(const json_t *object, const char *key); /* "" if it is none */

/* ---- configuration of this node ---- */

struct site {
	struct cluster_config cluster;
	const struct node_config *self;
	struct config_modules modules; /* a wrong one is only listed there; site_done() */
};
/* Reads everything; a sentence on standard error if it cannot. Gives an exit code. */
int site_read(const struct arguments *arguments, struct site *out_site) MUST_CHECK;
void site_done(struct site *site);

/* ---- status.c, watch.c ---- */

/* Prints a status, for people or as it is. Gives an exit code. */
int status_show(const struct arguments *arguments, const json_t *status) MUST_CHECK;
/* Puts a line of changes into the status that it changes. */
void watch_merge(json_t *status, const json_t *line);
int do_watch(const struct arguments *arguments);

/* ---- commands ---- */

int do_cluster_init(const struct arguments *arguments);
int do_cluster_add(const struct arguments *arguments);
int do_cluster_accept(const struct arguments *arguments);
int do_cluster_list(const struct arguments *arguments);
int do_module_add(const struct arguments *arguments);
int do_module_remove(const struct arguments *arguments);
int do_module_list(const struct arguments *arguments);
int do_apply(const struct arguments *arguments);
int do_status(const struct arguments *arguments);
int do_start(const struct arguments *arguments);
int do_stop(const struct arguments *arguments);
int do_restart(const struct arguments *arguments);
int do_swap(const struct arguments *arguments);
int do_prim(const struct arguments *arguments);
int do_second(const struct arguments *arguments);
int do_verify(const struct arguments *arguments);
int do_log(const struct arguments *arguments);
int do_settings(const struct arguments *arguments);

#endif
