/*
 * The arbiter of a module: who may change its tenure, asked as one compare-and-swap of one register
 * (R4). Here is what is asked and answered, what each kind of arbiter can promise, and what a
 * register does with a question. All of it pure; inquiry.h has the talk with it.
 *
 *	intend (durable at home) -> ask, carrying the nonce -> answer, or read back -> the record
 *
 *	change   epoch      good           holder   asked by
 *	shrink   + 1        me             me       a primary without its peer; a secondary taking over
 *	grow     the same   both           me       a primary whose peer is up to date again
 *	swap     + 1        the peer       the peer a primary that hands over
 *
 * Not for: when to ask (mirror/loss.c, takeover.c), nor how to reach an arbiter (daemon/arbiters).
 */
#ifndef EVENKEEL_CORE_ARBITER_ARBITER_H
#define EVENKEEL_CORE_ARBITER_ARBITER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/record.h"

enum arbiter_kind { ARBITER_OPERATOR, ARBITER_PING, ARBITER_KIND_COUNT };
enum arbiter_answer { ARBITER_UNKNOWN, ARBITER_GRANTED, ARBITER_REFUSED };
enum arbiter_change { CHANGE_SHRINK, CHANGE_GROW, CHANGE_SWAP, CHANGE_COUNT };

/* What a kind of arbiter can promise; decisions ask this, never which kind it is. */
struct arbiter_promise {
	const char *name;
	bool is_asked;	  /* answers questions by itself; else a person answers, by commands */
	bool is_register; /* a grant is the change itself, exactly one of two gets it, and it can be
			     read back; else a grant says how things looked at that moment */
	bool is_guess;	  /* both sides may be granted: promises 1 to 3 rest on luck then */
	bool can_be_silent;		  /* "unknown" may be all that is ever heard */
	bool must_be_asked[CHANGE_COUNT]; /* before such a change; else it is made at home alone */
};

const struct arbiter_promise *arbiter_promise(enum arbiter_kind kind);

/* All that an arbiter needs to know. */
struct arbiter_question {
	struct epoch epoch; /* of the tenure that is asked for */
	uint64_t good;	    /* mask of node ids whose copies count in it */
	uint8_t holder;
	uint64_t expected_version; /* of the register, as this node last knew it */
	uint64_t nonce;		   /* of the intent: asked again, it is the same question */
	int64_t asked_ns; /* boot clock: which time it was asked; an answer carries it back */
};

/* What a register holds. An arbiter that has none keeps none of this. */
struct arbiter_register {
	uint64_t version; /* 0: never written */
	struct epoch epoch;
	uint64_t good;
	uint8_t holder;
	uint64_t nonce; /* of the change that wrote it */
};

/* What a node wants to change: from its own record, and the highest epoch that it has seen. */
struct arbiter_intent {
	enum arbiter_change change;
	uint8_t self, peer;
	uint64_t epoch_seen;
	uint64_t nonce; /* fresh, at random */
};

/* Notes the intent in next, which must be durable before anybody is asked. */
void arbiter_intend(struct record *next, const struct arbiter_intent *intent);
/* The question of the intent that the record holds. */
struct arbiter_question arbiter_question(const struct record *record, int64_t asked_ns);

/* The compare-and-swap itself, as every register does it. Changes the register only if granted; the
 * same question once more is granted once more. */
enum arbiter_answer arbiter_swap(
	struct arbiter_register *held, const struct arbiter_question *question);
/* What the register says about a question whose answer was lost. Unknown: it was never heard there,
 * or the register is older than what this node has seen (put back): nothing may rest on it. */
enum arbiter_answer arbiter_read_back(
	const struct arbiter_register *held, const struct arbiter_question *question);

#endif
