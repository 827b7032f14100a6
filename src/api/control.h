/*
 * What evenkeeld and evenkeel-fs tell each other over control.sock: one JSON object a packet of a
 * SOCK_SEQPACKET socket, with at most one descriptor beside it. What is ordered and reported is
 * core/fs.h; here stands what a message is, and how it becomes JSON and back (docs/reference.md).
 *
 * Used by both sides, so that neither builds JSON by hand. Unknown keys are ignored (a newer peer
 * may say more), unknown words and missing keys are refused. Not for: the command line's socket
 * (daemon/admin/admin.h). Any thread; nothing is kept between calls.
 */
#ifndef EVENKEEL_API_CONTROL_H
#define EVENKEEL_API_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/fields.h"
#include "base/limits.h"
#include "base/macros.h"
#include "core/fs.h"

/* What evenkeel-fs ends with if no process of its version can carry on what its predecessor left. */
#define CONTROL_EXIT_UNFIT 3

#define CONTROL_PACKET_MAX 4096 /* bytes of one packet */
#define CONTROL_NAME_MAX   96	/* bytes of a stored descriptor's name, without the terminator */

enum control_type {
	/* from evenkeel-fs */
	CONTROL_HELLO,
	CONTROL_REPORT,
	CONTROL_STORE, /* with a descriptor */
	CONTROL_UNSTORE,
	CONTROL_VERIFIED,
	CONTROL_LOOKED, /* one for each directory */
	CONTROL_BEAT_CAME,
	/* to evenkeel-fs */
	CONTROL_ORDER,
	CONTROL_STREAM, /* with a descriptor: the accepted connection, its preface read and answered
			 */
	CONTROL_VERIFY,
	CONTROL_LOOK,
	CONTROL_BEAT,
	CONTROL_TYPE_COUNT
};

struct control_message {
	enum control_type type;
	union {
		struct {
			char module[MODULE_NAME_MAX + 1];
			int64_t pid;
			struct fs_hello fs;
		} hello;
		struct fs_reported report; /* never FS_REPORT_DIED: the daemon sees that itself */
		struct {
			char name[CONTROL_NAME_MAX + 1]; /* fuse.0, ring.0, root.0, send_log, ... */
		} store;				 /* CONTROL_STORE and CONTROL_UNSTORE */
		struct {
			uint32_t request;
			int error; /* 0: compared; else why it could not be done */
			struct fs_verified copies;
		} verified;
		struct fs_ordered order;
		struct {
			uint8_t peer; /* node id of the caller */
		} stream;
		struct {
			uint32_t request;
		} verify;
		struct {
			char bytes[STREAMED_BEAT_MAX + 1];
		} beat; /* CONTROL_BEAT and CONTROL_BEAT_CAME */
		struct fs_looked looked;
		struct {
			uint32_t number;
		} look;
	};
};

extern const struct control_row {
	const char *name;
	struct fields fields; /* of struct control_message */
	bool is_from_fs;      /* else to it */
	const char *help;
} control_rows[CONTROL_TYPE_COUNT];

/* Writes the JSON (no terminator). Errors: -ERANGE if size_max is too small, -ENOMEM. */
int control_encode(const struct control_message *message, char *out, size_t size_max,
	size_t *out_size) MUST_CHECK;
/* Errors: -EBADMSG if it is not JSON, -EPROTO if a key is missing, of a wrong type or out of range;
 * out_error names it. */
int control_decode(const char *data, size_t size, struct control_message *out_message,
	struct fields_error *out_error) MUST_CHECK;

/*
 * Sends one packet, with the descriptor fd beside it unless fd is -1 (borrowed: the caller still
 * closes its own). Never blocks. Errors: -EAGAIN if the socket is full, -EPIPE or -ECONNRESET if
 * the other side is gone, those of control_encode().
 */
int control_send(int socket, const struct control_message *message, int fd) MUST_CHECK;
/*
 * Receives one packet; blocks only if the socket does. *out_fd is -1 or a descriptor,
 * close-on-exec, which the caller closes. Errors: -EAGAIN: nothing there; -ECONNRESET: the other
 * side is gone; -EBADMSG, -EPROTO: as of control_decode() (the packet is used up, its descriptors
 * are closed; the socket is still good).
 */
int control_receive(int socket, struct control_message *out_message, int *out_fd,
	struct fields_error *out_error) MUST_CHECK;

/* A listening socket at path, 0600, non-blocking; an old one there is replaced (the caller holds
 * evenkeeld.lock). Errors: -ENAMETOOLONG (sockets take 107 bytes), others as of bind(2). */
int control_listen(const char *path, int *out_socket) MUST_CHECK;
/* A connected socket, non-blocking. Errors: as of connect(2): -ENOENT, -ECONNREFUSED. */
int control_connect(const char *path, int *out_socket) MUST_CHECK;

#endif
