/* What a person sees of text from elsewhere: nothing in it moves the cursor, hides or turns round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/visible.h"
#include "platform/terminal.h"

static void what_a_terminal_obeys_is_written_out(void **state)
{
	(void)state;
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "plain text, /srv/a b", "plain text, /srv/a b" },
		{ "\xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82",
			"\xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x99\x82" },
		{ "\033[2J\033]0;owned\a", "\\x1b[2J\\x1b]0;owned\\x07" },
		{ "two\nlines\r\tand", "two\\x0alines\\x0d\\x09and" },
		{ "\x7f|\xc2\x9b"
		  "31m",
			"\\x7f|\\u009b31m" },
		{ "gpj.\xe2\x80\xae"
		  "exe",
			"gpj.\\u202eexe" },
		{ "\xe2\x81\xa6x\xe2\x80\x8b\xef\xbb\xbf", "\\u2066x\\u200b\\ufeff" },
		{ "\xff\xfe|\xc0\xaf|\xed\xa0\x80|\xf5",
			"\\xff\\xfe|\\xc0\\xaf|\\xed\\xa0\\x80|\\xf5" },
		{ "cut \xe2\x82", "cut \\xe2\\x82" },
		{ "cut \xe2\x82 off", "cut \\xe2\\x82 off" },
		{ "\xf3\xa0\x81\x81", "\\U000e0041" },
		{ "", "" },
	};
	char shown[128];

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		visible_copy(shown, sizeof(shown), cases[i].text);
		assert_string_equal(shown, cases[i].shown);
	}
}

static void what_has_no_room_is_cut_at_a_whole_character(void **state)
{
	(void)state;
	char shown[8];

	visible_copy(shown, sizeof(shown), "abcdef\033g");
	assert_string_equal(shown, "abcdef");
	visible_copy(shown, sizeof(shown), "abc\xe2\x82\xac\xe2\x82\xac");
	assert_string_equal(shown, "abc\xe2\x82\xac");
}

/* Every byte after every byte: what comes out is printable, and valid. */
static void no_two_bytes_slip_through(void **state)
{
	(void)state;
	char text[3] = { 0 }, shown[32];

	for (int a = 1; a < 256; a++)
		for (int b = 1; b < 256; b++) {
			text[0] = (char)a;
			text[1] = (char)b;
			visible_copy(shown, sizeof(shown), text);
			for (const char *at = shown; *at != '\0'; at++)
				assert_true((uint8_t)*at >= 0x20 && *at != 0x7f);
		}
}

/* A program prints; what arrives at the other end of its standard output and error? */
static size_t print(void (*say)(void), char *out, size_t size)
{
	int ends[2];
	size_t used = 0;
	ssize_t got;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		terminal_guard();
		say();
		_exit(fflush(NULL) == 0 ? 0 : 1);
	}
	close(ends[1]);
	while ((got = read(ends[0], out + used, size - used)) > 0)
		used += (size_t)got;
	close(ends[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return used;
}

static void say_both(void)
{
	fprintf(stderr, "evenkeel: '%s' is in use\n", "a\033[31mb");
	printf("held by %s\n", "\xff");
	printf("%s", "\xe2"); /* parted by a flush */
	(void)fflush(stdout);
	printf("%s\tok\n", "\x82\xac");
}

static void nothing_leaves_a_program_otherwise(void **state)
{
	(void)state;
	char out[256];
	size_t size = print(say_both, out, sizeof(out) - 1);

	out[size] = '\0';
	assert_string_equal(
		out, "evenkeel: 'a\\x1b[31mb' is in use\nheld by \\xff\n\xe2\x82\xac\tok\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_terminal_obeys_is_written_out),
		cmocka_unit_test(what_has_no_room_is_cut_at_a_whole_character),
		cmocka_unit_test(no_two_bytes_slip_through),
		cmocka_unit_test(nothing_leaves_a_program_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
