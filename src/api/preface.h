/*
 * The first bytes of a TCP connection between two nodes, in clear, before TLS: which module it is
 * for. The caller is evenkeel-fs of the primary, evenkeeld of the secondary answers.
 *
 *	caller:   "EVKL" u16 version, u16 kind, u8 node id, 7 zeros, 64 bytes of name, zeros behind
 *	answer:   "EVKL" u16 version, u16 status
 *
 * Nothing in it is believed: TLS proves later who calls. Not for: what follows. Any thread.
 */
#ifndef EVENKEEL_API_PREFACE_H
#define EVENKEEL_API_PREFACE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/macros.h"
#include "base/words.h"

#define PREFACE_SIZE	    80
#define PREFACE_ANSWER_SIZE 8
#define PREFACE_VERSION	    1

enum preface_kind { PREFACE_STREAM = 1 };

/* clang-format off */
#define PREFACE_STATUSES(X) \
	X(PREFACE_GO_ON,	  "go_on",	     "TLS may begin") \
	X(PREFACE_OTHER_VERSION,  "other_version",  "this side speaks another version: the one in the answer") \
	X(PREFACE_UNKNOWN_MODULE, "unknown_module", "no module of that name is shared with the caller") \
	X(PREFACE_NOT_SECONDARY,  "not_secondary",  "the module is not ready to receive here")
/* clang-format on */
enum preface_status { PREFACE_STATUSES(WORD_CONSTANT) PREFACE_STATUS_COUNT };
extern const struct words preface_status_words;

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
/* Errors: -EBADMSG: no answer at all, or a status that is not known here. */
int preface_decode_answer(
	const uint8_t data[PREFACE_ANSWER_SIZE], enum preface_status *out_status) MUST_CHECK;

#endif
