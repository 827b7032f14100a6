/*
 * The first bytes of a TCP connection between two nodes, in clear, before TLS: which module it is
 * for (docs/architecture.md).
 *
 *	caller:   "EVKL" u16 version, u16 kind, u8 node id, 7 zeros, 64 bytes of name, zeros behind
 *	answer:   "EVKL" u16 version, u16 status
 *
 * Nothing in it is believed: TLS proves later who calls. Not for: what follows. Any thread.
 */
#ifndef EVENKEEL_DAEMON_PREFACE_H
#define EVENKEEL_DAEMON_PREFACE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/macros.h"

#define PREFACE_SIZE	    80
#define PREFACE_ANSWER_SIZE 8
#define PREFACE_VERSION	    1

enum preface_kind { PREFACE_STREAM = 1 };

enum preface_status {
	PREFACE_GO_ON,
	PREFACE_OTHER_VERSION,
	PREFACE_UNKNOWN_MODULE,
	PREFACE_NOT_SECONDARY,
};

struct preface {
	uint16_t version;
	uint16_t kind;
	uint8_t node;
	char module[MODULE_NAME_MAX + 1];
};

void preface_encode(const struct preface *preface, uint8_t out[PREFACE_SIZE]);
/* Another version is not an error here: the answer tells the caller ours. Errors: -EBADMSG: not a
 * preface. */
int preface_decode(const uint8_t data[PREFACE_SIZE], struct preface *out_preface) MUST_CHECK;
void preface_encode_answer(enum preface_status status, uint8_t out[PREFACE_ANSWER_SIZE]);

#endif
