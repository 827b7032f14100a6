/*
 * The arbiters that two lone servers can have.
 *
 * operator: nobody goes on without a person: always answered with "unknown".
 * ping: whoever reaches the target may go on. It is a guess (R3): both may reach it. The target is
 * tried all the time, so that `status` can say beforehand what would happen.
 *
 *	ASK_ARBITER -> up to 4 echoes, 100 ms apart -> an answer: granted; none: unknown
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/arbiters/arbiters.h"
#include "platform/clock.h"
#include "platform/icmp.h"

#define TRY_GAP_NS	(100 * NS_PER_MS)
#define TRIES		4
#define ANSWER_LIMIT_NS (450 * NS_PER_MS) /* below the margin of R7 */
#define HEALTHY_NS	(10 * NS_PER_S)
#define FAILING_NS	NS_PER_S
#define PACKETS_AT_ONCE 64

_Static_assert((TRIES - 1) * TRY_GAP_NS < ANSWER_LIMIT_NS, "the last echo has time to return");

struct asked {
	uint16_t module;
	struct arbiter_question question;
};

struct daemon_arbiter {
	struct daemon *daemon;
	int socket;
	struct watch watch;
	uint16_t id, sequence; /* of our echoes */
	/* One round of tries serves all who ask while it runs. */
	bool is_trying;
	int tries;
	int64_t started_ns;
	uint16_t first_sequence; /* of this round */
	struct timer step, next_round;
	bool is_known, is_reachable;
	int asker_count;
	struct asked
		asked[MODULES_MAX * 2]; /* a module may ask anew while an old question is open */
};

static void answer(struct daemon *daemon, const struct asked *asked, bool is_granted)
{
	daemon_post(daemon,
		&(struct event){ .type = EVENT_ARBITER_ANSWERED,
			.module = asked->module,
			.arbiter = { .answer = is_granted ? ARBITER_GRANTED : ARBITER_UNKNOWN,
				.question = asked->question } });
}

static void note_reachable(struct daemon_arbiter *arbiter, bool is_reachable)
{
	struct daemon *daemon = arbiter->daemon;
	char text[ADDRESS_TEXT_SIZE];

	if (!arbiter->is_known || arbiter->is_reachable != is_reachable)
		daemon_log(daemon, NULL, is_reachable ? SEVERITY_INFO : SEVERITY_WARNING,
			is_reachable ? "arbiter.reachable" : "arbiter.unreachable",
			is_reachable ? "The ping target %s answers: this node could go on alone."
				     : "The ping target %s does not answer: this node cannot take "
				       "over, or go on alone, while that lasts.",
			address_format(&daemon->cluster.ping_target, text));
	arbiter->is_known = true;
	arbiter->is_reachable = is_reachable;
	daemon_post(daemon,
		&(struct event){ .type = EVENT_TARGET_TRIED, .target.is_reachable = is_reachable });
}

static void end_round(struct daemon_arbiter *arbiter, bool is_reachable)
{
	struct daemon *daemon = arbiter->daemon;
	static struct asked asked[ARRAY_COUNT(arbiter->asked)];
	int count = arbiter->asker_count;

	memcpy(asked, arbiter->asked, sizeof(asked));
	arbiter->is_trying = false;
	arbiter->asker_count = 0;
	loop_disarm(&daemon->loop, &arbiter->step);
	loop_arm(&daemon->loop, &arbiter->next_round,
		clock_boot_ns() + (is_reachable ? HEALTHY_NS : FAILING_NS));
	note_reachable(arbiter, is_reachable);
	/* An answer may cause new questions: they start a round of their own. */
	for (int i = 0; i < count; i++)
		answer(daemon, &asked[i], is_reachable);
}

static void start_round(void *owner);

static void hear_replies(struct daemon_arbiter *arbiter)
{
	struct address from;
	struct icmp_echo echo;

	for (int i = 0; i < PACKETS_AT_ONCE; i++) {
		int error = icmp_receive(arbiter->socket, &from, &echo);
		if (error == -EAGAIN)
			return;
		if (error != 0 || echo.id != arbiter->id ||
			!address_is_equal(&from, &arbiter->daemon->cluster.ping_target))
			continue;
		/* An echo of an earlier round says nothing about now, but that it is time to ask. */
		if (!arbiter->is_trying && !arbiter->is_reachable)
			start_round(arbiter);
		else if (arbiter->is_trying &&
			 (uint16_t)(echo.sequence - arbiter->first_sequence) < TRIES)
			end_round(arbiter, true);
	}
}

/* Perhaps it was only us who were late: then the answer lies in the socket. */
static void give_up_round(struct daemon_arbiter *arbiter)
{
	uint16_t round = arbiter->first_sequence;

	hear_replies(arbiter);
	if (arbiter->is_trying && arbiter->first_sequence == round)
		end_round(arbiter, false);
}

static void on_step(void *owner)
{
	struct daemon_arbiter *arbiter = owner;
	struct daemon *daemon = arbiter->daemon;
	int64_t now_ns = clock_boot_ns();

	if (now_ns - arbiter->started_ns >= ANSWER_LIMIT_NS) {
		give_up_round(arbiter);
		return;
	}
	if (arbiter->tries < TRIES) {
		struct icmp_echo echo = { .id = arbiter->id, .sequence = ++arbiter->sequence };
		arbiter->tries++;
		/* Unreachable now: the next try, or none. */
		(void)!icmp_send(arbiter->socket, &daemon->cluster.ping_target, echo);
	}
	loop_arm(&daemon->loop, &arbiter->step,
		arbiter->tries < TRIES ? now_ns + TRY_GAP_NS
				       : arbiter->started_ns + ANSWER_LIMIT_NS);
}

static void start_round(void *owner)
{
	struct daemon_arbiter *arbiter = owner;

	if (arbiter->is_trying)
		return;
	arbiter->is_trying = true;
	arbiter->tries = 0;
	arbiter->started_ns = clock_boot_ns();
	arbiter->first_sequence = (uint16_t)(arbiter->sequence + 1);
	on_step(arbiter);
}

static void on_reply(void *owner, uint32_t events)
{
	(void)events;
	hear_replies(owner);
}

void arbiter_ask(struct module *module, const struct arbiter_question *question)
{
	struct daemon_arbiter *arbiter = module->daemon->arbiter;
	struct asked asked = { .module = module->settings.number, .question = *question };

	if (!arbiter_promise(module->daemon->cluster.arbiter)->is_asked) {
		answer(module->daemon, &asked, false);
		return;
	}
	CHECK(arbiter->asker_count < (int)ARRAY_COUNT(arbiter->asked));
	arbiter->asked[arbiter->asker_count++] = asked;
	if (arbiter->asker_count == 1) /* a round that ran for nobody may be nearly over */
		arbiter->is_trying = false;
	start_round(arbiter);
}

int arbiter_open(struct daemon *daemon)
{
	struct daemon_arbiter *arbiter = calloc(1, sizeof(*arbiter));
	if (arbiter == NULL)
		return -ENOMEM;
	daemon->arbiter = arbiter;
	arbiter->daemon = daemon;
	arbiter->socket = -1;
	arbiter->id = (uint16_t)daemon_random();
	arbiter->step = (struct timer){ .owner = arbiter, .on_due = on_step };
	arbiter->next_round = (struct timer){ .owner = arbiter, .on_due = start_round };
	if (daemon->cluster.arbiter != ARBITER_PING)
		return 0;
	int error = icmp_open(
		(enum address_family)daemon->cluster.ping_target.family, &arbiter->socket);
	if (error != 0)
		return error;
	arbiter->watch =
		(struct watch){ .fd = arbiter->socket, .owner = arbiter, .on_ready = on_reply };
	loop_arm(&daemon->loop, &arbiter->next_round, clock_boot_ns());
	return loop_add(&daemon->loop, &arbiter->watch, EPOLLIN);
}

void arbiter_close(struct daemon *daemon)
{
	struct daemon_arbiter *arbiter = daemon->arbiter;

	if (arbiter == NULL)
		return;
	loop_disarm(&daemon->loop, &arbiter->step);
	loop_disarm(&daemon->loop, &arbiter->next_round);
	loop_remove(&daemon->loop, &arbiter->watch);
	if (arbiter->socket >= 0)
		close(arbiter->socket);
	free(arbiter);
	daemon->arbiter = NULL;
}
