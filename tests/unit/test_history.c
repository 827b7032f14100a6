/* Since when a module is what it is, and why it last changed hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/history.h"
#include "daemon/runtime.h"

static struct module the_module;
static int written;

void runtime_write(struct module *module)
{
	assert_ptr_equal(module, &the_module);
	written++;
}

static int forget(void **state)
{
	(void)state;
	memset(&the_module, 0, sizeof(the_module));
	written = 0;
	return 0;
}

static void hear(const char *id, const char *sentence, int64_t at_s)
{
	history_hear(&the_module, id, sentence, at_s * NS_PER_S);
}

static void what_it_was_found_to_be_is_no_move(void **state)
{
	(void)state;
	hear("module.state", "PRIM Ready", 100);
	assert_int_equal(the_module.runtime.since_ns, 100 * NS_PER_S);
	assert_string_equal(the_module.runtime.move, "");
	hear("module.state", "PRIM Ready", 200); /* as after a restart of evenkeeld */
	assert_int_equal(the_module.runtime.since_ns, 100 * NS_PER_S);
	assert_int_equal(written, 1);
	hear("module.state", "PRIM Transient", 300); /* serves on */
	assert_int_equal(the_module.runtime.since_ns, 300 * NS_PER_S);
	assert_string_equal(the_module.runtime.move, "");
}

static void a_failover_has_its_reason(void **state)
{
	(void)state;
	hear("module.state", "SECOND Ready", 100);
	hear("module.takeover", "the other node is silent", 150);
	hear("module.state", "ALONE Transient", 151);
	assert_string_equal(the_module.runtime.move,
		"1970-01-01 00:02:31 UTC: this node began to serve: the other node is silent");
	hear("module.lost", "the other node serves", 500);
	hear("module.state", "WAIT Transient", 501);
	assert_non_null(strstr(the_module.runtime.move, "ceased to serve: the other node serves"));
}

static void what_was_said_long_before_is_no_reason(void **state)
{
	(void)state;
	hear("module.state", "SECOND Ready", 100);
	hear("module.takeover", "the other node is silent", 110);
	hear("module.state", "PRIM Transient", 300);
	assert_non_null(strstr(the_module.runtime.move, "began to serve: in order"));
	hear("module.state", "PRIM Ready", 301); /* is no move, and its time counts */
	assert_non_null(strstr(the_module.runtime.move, "00:05:00 UTC"));
	assert_int_equal(the_module.runtime.since_ns, 301 * NS_PER_S);
	hear("check.down", "Check x is down", 302); /* is no reason */
	hear("module.state", "SECOND Transient", 303);
	assert_non_null(strstr(the_module.runtime.move, "ceased to serve: in order"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_it_was_found_to_be_is_no_move, forget),
		cmocka_unit_test_setup(a_failover_has_its_reason, forget),
		cmocka_unit_test_setup(what_was_said_long_before_is_no_reason, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
