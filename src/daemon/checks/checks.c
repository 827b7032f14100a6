/*
 * Checks of a running application: one row a kind, each in a file of its own.
 *
 *	start --> (interval) --> trying --> up or down; the core hears of changes only, and of the
 *	                            |       first result
 *	                            +-- over its timeout: down
 *
 * What a result means is the core's; so that a starting or a busy application is not taken for a
 * dead one, down means FAILURES_TO_BE_DOWN tries in a row, and, before the first success, that
 * START_GRACE_NS is over as well.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/checks/internal.h"
#include "daemon/runtime.h"
#include "platform/clock.h"

#define FAILURES_TO_BE_DOWN 3
#define START_GRACE_NS	    (10 * NS_PER_S)

static const struct check_type *const types[CHECK_KIND_COUNT] = {
	[CHECK_TCP] = &check_tcp,
	[CHECK_COMMAND] = &check_command,
};

struct module_checks {
	struct check list[CHECKS_MAX];
	bool is_resumed; /* the application was up before this process began */
};

const struct check_config *check_config_of(const struct check *check)
{
	return &check->module->settings.checks[check->index];
}

/* ---- results ---- */

/* One failure is not yet news, nor is any while the application may still be starting. */
static bool is_premature(const struct check *check)
{
	if (check->failures == 0)
		return false;
	if (check->failures < FAILURES_TO_BE_DOWN)
		return true;
	return check->last == CHECK_UNKNOWN && clock_boot_ns() - check->since_ns < START_GRACE_NS;
}

static void end_try(struct check *check)
{
	if (check->trying == NULL)
		return;
	check->trying->end(check);
	check->trying = NULL;
}

bool checks_trouble(const struct module *module, char out_sentence[SENTENCE_SIZE_MAX])
{
	for (int i = 0; i < module->settings.check_count && module->runtime.are_checks_running;
		i++) {
		const struct check *check = &module->checks->list[i];
		char since[CLOCK_TEXT_SIZE];
		if (check->last != CHECK_IS_DOWN)
			continue;
		(void)snprintf(out_sentence, SENTENCE_SIZE_MAX,
			"check %s is down since %s: %s; look at the application",
			check_config_of(check)->name, clock_wall_text(check->down_ns, since),
			check->why);
		return true;
	}
	return false;
}

static void take_result(struct check *check, bool is_up, const char *why)
{
	struct module *module = check->module;
	enum check_result result = is_up ? CHECK_IS_UP : CHECK_IS_DOWN;
	const struct check_config *config = check_config_of(check);

	end_try(check);
	loop_arm(&module->daemon->loop, &check->timer, clock_boot_ns() + config->interval_ns);
	check->failures = is_up ? 0 : check->failures + 1;
	(void)snprintf(check->why, sizeof(check->why), "%s", why);
	if (result == check->last || is_premature(check))
		return;
	check->last = result;
	check->down_ns = clock_wall_ns();
	daemon_log(module->daemon, module, is_up ? SEVERITY_INFO : SEVERITY_WARNING,
		is_up ? "check.up" : "check.down", "Check %s is %s%s%s.", config->name,
		is_up ? "up" : "down", is_up ? "" : ": ", is_up ? "" : why);
	daemon_post(module->daemon, &(struct event){ .type = EVENT_CHECK_CHANGED,
					    .module = module->settings.number,
					    .check = { .index = check->index, .is_up = is_up } });
}

void check_is_up(struct check *check)
{
	take_result(check, true, "");
}

void check_is_down(struct check *check, const char *why)
{
	take_result(check, false, why);
}

/* ---- trying ---- */

static void try(struct check *check)
{
	const struct check_config *config = check_config_of(check);

	check->trying = types[config->kind];
	loop_arm(&check->module->daemon->loop, &check->timer, clock_boot_ns() + config->timeout_ns);
	int error = check->trying->start(check);
	if (error != 0)
		check_is_down(check, check->trying->failure(error));
}

static void on_timer(void *owner)
{
	struct check *check = owner;

	if (check->trying != NULL)
		check_is_down(check, "no answer within its timeout");
	else
		try(check);
}

static void end_all(struct module *module)
{
	for (int i = 0; i < CHECKS_MAX; i++) {
		loop_disarm(&module->daemon->loop, &module->checks->list[i].timer);
		end_try(&module->checks->list[i]);
	}
}

void checks_start(struct module *module)
{
	struct module_checks *checks = module->checks;
	int64_t now_ns = clock_boot_ns();

	end_all(module); /* of a daemon that has just found them running, perhaps */
	module->runtime.are_checks_running = true;
	runtime_write(module);
	for (uint8_t i = 0; i < module->settings.check_count; i++) {
		checks->list[i].last = CHECK_UNKNOWN;
		checks->list[i].failures = 0;
		checks->list[i].since_ns = checks->is_resumed ? now_ns - START_GRACE_NS : now_ns;
		loop_arm(&module->daemon->loop, &checks->list[i].timer, now_ns);
	}
}

void checks_resume(struct module *module)
{
	module->checks->is_resumed = true;
	checks_start(module);
}

void checks_stop(struct module *module)
{
	module->checks->is_resumed = false;
	module->runtime.are_checks_running = false;
	runtime_write(module);
	end_all(module);
}

enum finding checks_look(const struct module *module)
{
	enum finding finding = FINDING_NONE;

	if (!module->runtime.are_checks_running)
		return FINDING_NONE;
	for (uint8_t i = 0; i < module->settings.check_count; i++) {
		enum check_result last = module->checks->list[i].last;
		if (last == CHECK_UNKNOWN)
			return FINDING_NONE;
		finding = MAX_OF(finding, last == CHECK_IS_UP ? FINDING_GOOD : FINDING_BAD);
	}
	return finding;
}

/* ---- a module comes and goes ---- */

int checks_add(struct module *module)
{
	struct module_checks *checks = calloc(1, sizeof(*checks));
	if (checks == NULL)
		return -ENOMEM;
	for (uint8_t i = 0; i < CHECKS_MAX; i++) {
		struct check *check = &checks->list[i];
		*check = (struct check){ .module = module,
			.index = i,
			.socket = -1,
			.process.pidfd = -1,
			.output = -1 };
		check->timer = (struct timer){ .owner = check, .on_due = on_timer };
	}
	module->checks = checks;
	check_command_forget(module);
	return 0;
}

void checks_remove(struct module *module)
{
	if (module->checks == NULL)
		return;
	end_all(module);
	check_command_remove(module);
	free(module->checks);
	module->checks = NULL;
}
