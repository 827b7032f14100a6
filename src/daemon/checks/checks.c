/*
 * Checks of a running application: a TCP port that accepts, a command that succeeds.
 *
 *	start --> (interval) --> trying --> up or down; the core hears of changes only, and of the
 *	                            |       first result
 *	                            +-- over its timeout: down
 *
 * A try never blocks: a connect in progress, or a child. What a result means is the core's; so that
 * a starting or a busy application is not taken for a dead one, down means FAILURES_TO_BE_DOWN
 * tries in a row, and, before the first success, that START_GRACE_NS is over as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/checks/checks.h"
#include "daemon/reaper.h"
#include "daemon/runtime.h"
#include "daemon/scripts/scripts.h"
#include "platform/clock.h"
#include "platform/process.h"
#include "platform/socket_address.h"

#define FAILURES_TO_BE_DOWN 3
#define START_GRACE_NS	    (10 * NS_PER_S)

enum check_result { CHECK_UNKNOWN, CHECK_IS_UP, CHECK_IS_DOWN };

struct check {
	struct module *module;
	uint8_t index;
	enum check_result last;
	int failures; /* in a row */
	int64_t since_ns;
	bool is_trying;
	int socket;
	struct process process;
	struct watch watch;
	struct timer timer; /* the next try, or the limit of this one */
};

struct module_checks {
	bool is_running;
	struct check list[CHECKS_MAX];
};

static void on_timer(void *owner);

static const struct check_config *config_of(const struct check *check)
{
	return &check->module->settings.checks[check->index];
}

static void close_try(struct check *check)
{
	struct daemon *daemon = check->module->daemon;

	loop_remove(&daemon->loop, &check->watch);
	if (check->socket >= 0)
		close(check->socket);
	check->socket = -1;
	if (check->process.pidfd >= 0) {
		process_kill_group(&check->process);
		reaper_take(daemon, &check->process);
	}
	check->is_trying = false;
}

/* One failure is not yet news, nor is any while the application may still be starting. */
static bool is_premature(const struct check *check)
{
	if (check->failures == 0)
		return false;
	if (check->failures < FAILURES_TO_BE_DOWN)
		return true;
	return check->last == CHECK_UNKNOWN && clock_boot_ns() - check->since_ns < START_GRACE_NS;
}

static void take_result(struct check *check, bool is_up, const char *why)
{
	struct module *module = check->module;
	enum check_result result = is_up ? CHECK_IS_UP : CHECK_IS_DOWN;
	const struct check_config *config = config_of(check);

	close_try(check);
	loop_arm(&module->daemon->loop, &check->timer, clock_boot_ns() + config->interval_ns);
	check->failures = is_up ? 0 : check->failures + 1;
	if (result == check->last || is_premature(check))
		return;
	check->last = result;
	daemon_log(module->daemon, module, is_up ? SEVERITY_INFO : SEVERITY_WARNING,
		is_up ? "check.up" : "check.down", "Check %s is %s%s%s.", config->name,
		is_up ? "up" : "down", is_up ? "" : ": ", is_up ? "" : why);
	daemon_post(module->daemon, &(struct event){ .type = EVENT_CHECK_CHANGED,
					    .module = module->settings.number,
					    .check = { .index = check->index, .is_up = is_up } });
}

/* ---- TCP ---- */

static void on_connected(void *owner, uint32_t events)
{
	struct check *check = owner;
	int error = 0;
	socklen_t size = sizeof(error);

	(void)events;
	if (getsockopt(check->socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	take_result(check, error == 0, strerror(error));
}

/* The virtual address, where clients connect; without one, this machine. */
static struct address target_of(const struct module *module)
{
	const struct address local = { .family = ADDRESS_IPV4, .bytes = { 127, 0, 0, 1 } };

	return module->settings.address_count > 0 && module->runtime.is_address_held
		       ? module->settings.addresses[0].address
		       : local;
}

static int try_tcp(struct check *check)
{
	struct address target = target_of(check->module);
	struct sockaddr_storage address;
	socklen_t size = socket_address_fill(&target, config_of(check)->tcp_port, &address);

	check->socket =
		socket(socket_family(&target), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (check->socket < 0)
		return -errno;
	if (connect(check->socket, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		return -errno;
	check->watch =
		(struct watch){ .fd = check->socket, .owner = check, .on_ready = on_connected };
	return loop_add(&check->module->daemon->loop, &check->watch, EPOLLOUT);
}

/* ---- command ---- */

static void on_command_ended(void *owner, uint32_t events)
{
	struct check *check = owner;
	int status = 0;
	char why[64] = "it was ended by a signal";

	(void)events;
	loop_remove(&check->module->daemon->loop, &check->watch);
	int error = process_reap(&check->process, &status);
	if (error == 0 && WIFEXITED(status))
		(void)snprintf(why, sizeof(why), "it ended with status %d", WEXITSTATUS(status));
	take_result(check, error == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0, why);
}

static int try_command(struct check *check)
{
	const struct module *module = check->module;
	char path[3 * PATH_SIZE_MAX];

	(void)snprintf(path, sizeof(path), "%s/bin/%s", module->settings.folder,
		config_of(check)->command);
	char *arguments[] = { path, NULL };
	char **environment = scripts_environment(module);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	const struct process_order order = { .path = path,
		.arguments = arguments,
		.environment = environment,
		.cgroup_fd = -1,
		.output_fd = null };
	int error = process_start(&order, &check->process);
	if (null >= 0)
		close(null);
	scripts_free_environment(environment);
	if (error != 0)
		return error;
	check->watch = (struct watch){
		.fd = check->process.pidfd, .owner = check, .on_ready = on_command_ended
	};
	return loop_add(&module->daemon->loop, &check->watch, EPOLLIN);
}

/* ---- trying ---- */

static void try(struct check *check)
{
	const struct check_config *config = config_of(check);

	check->is_trying = true;
	loop_arm(&check->module->daemon->loop, &check->timer, clock_boot_ns() + config->timeout_ns);
	int error = config->kind == CHECK_TCP ? try_tcp(check) : try_command(check);
	if (error != 0)
		take_result(check, false, strerror(-error));
}

static void on_timer(void *owner)
{
	struct check *check = owner;

	if (check->is_trying)
		take_result(check, false, "no answer within its timeout");
	else
		try(check);
}

void checks_start(struct module *module)
{
	struct module_checks *checks = module->checks;
	int64_t now_ns = clock_boot_ns();

	checks->is_running = true;
	module->runtime.are_checks_running = true;
	runtime_write(module);
	for (uint8_t i = 0; i < module->settings.check_count; i++) {
		checks->list[i].last = CHECK_UNKNOWN;
		checks->list[i].failures = 0;
		checks->list[i].since_ns = now_ns;
		loop_arm(&module->daemon->loop, &checks->list[i].timer, now_ns);
	}
}

void checks_stop(struct module *module)
{
	struct module_checks *checks = module->checks;

	checks->is_running = false;
	module->runtime.are_checks_running = false;
	runtime_write(module);
	for (int i = 0; i < CHECKS_MAX; i++) {
		loop_disarm(&module->daemon->loop, &checks->list[i].timer);
		close_try(&checks->list[i]);
	}
}

int checks_add(struct module *module)
{
	struct module_checks *checks = calloc(1, sizeof(*checks));
	if (checks == NULL)
		return -ENOMEM;
	for (uint8_t i = 0; i < CHECKS_MAX; i++) {
		struct check *check = &checks->list[i];
		*check = (struct check){ .module = module, .index = i, .socket = -1 };
		check->process.pidfd = -1;
		check->timer = (struct timer){ .owner = check, .on_due = on_timer };
	}
	module->checks = checks;
	return 0;
}

void checks_remove(struct module *module)
{
	if (module->checks == NULL)
		return;
	for (int i = 0; i < CHECKS_MAX; i++) {
		loop_disarm(&module->daemon->loop, &module->checks->list[i].timer);
		close_try(&module->checks->list[i]);
	}
	free(module->checks);
	module->checks = NULL;
}
