/* CHECK names its place: in a program, and in a pure layer that the program calls. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "core/core.h"

static void fail_here(void)
{
	int one = 1, two = 2;

	CHECK(two == 2);
	CHECK(one == two);
}

static void fail_in_the_core(void)
{
	struct core *core = malloc(core_size());

	core_init(core, &(struct core_config){ .self = 0 });
}

/* What a child says before it ends by a signal. */
static void assert_last_words(void (*act)(void), const char *place, const char *condition)
{
	char said[512] = "";
	int pipe_fds[2], status;

	assert_int_equal(pipe(pipe_fds), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)dup2(pipe_fds[1], STDERR_FILENO);
		struct sigaction by_default = { .sa_handler = SIG_DFL };
		(void)sigaction(SIGILL, &by_default, NULL); /* instead of cmocka's */
		(void)sigaction(SIGTRAP, &by_default, NULL);
		act();
		_exit(0);
	}
	(void)close(pipe_fds[1]);
	ssize_t size = read(pipe_fds[0], said, sizeof(said) - 1); /* one line, written at once */
	assert_true(size > 0);
	(void)close(pipe_fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	if (strstr(said, place) == NULL || strstr(said, condition) == NULL)
		fail_msg("said: %s", said);
	assert_int_equal(strncmp(said, "test_check_failed: ", 19), 0);
}

static void test_place_in_a_program(void **state)
{
	(void)state;
	assert_last_words(
		fail_here, "CHECK failed: tests/unit/test_check_failed.c:", ": one == two\n");
}

static void test_place_in_a_pure_layer(void **state)
{
	(void)state;
	assert_last_words(fail_in_the_core, "CHECK failed: src/core/core.c:", "config->self");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_place_in_a_program),
		cmocka_unit_test(test_place_in_a_pure_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
