/* Needs root: trusted.* attributes and file handles are root's. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/holders.h"
#include "api/preflight.h"

static char base[64], data[128];

static int make_tree(void **state)
{
	char path[256];
	(void)state;
	snprintf(base, sizeof(base), "/var/tmp/evenkeel-test-preflight-XXXXXX");
	if (mkdtemp(base) == NULL)
		return -1;
	snprintf(data, sizeof(data), "%s/da ta", base);
	for (size_t i = 0; i < 5; i++) {
		static const char *const names[] = { "da ta", "da ta/sub", "module", "module/bin",
			"state" };
		snprintf(path, sizeof(path), "%s/%s", base, names[i]);
		if (mkdir(path, 0755) != 0)
			return -1;
	}
	return 0;
}

static int remove_tree(void **state)
{
	char command[128];
	(void)state;
	pid_t pid = fork();
	snprintf(command, sizeof(command), "%s", base);
	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", command, (char *)NULL);
		_exit(1);
	}
	return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static void check(const char *directory, struct preflight_findings *findings,
	const struct preflight_neighbour *neighbour)
{
	char state[128];
	struct module_settings *module = calloc(1, sizeof(*module));
	assert_non_null(module);
	snprintf(state, sizeof(state), "%s/state", base);
	snprintf(module->name, sizeof(module->name), "m");
	snprintf(module->folder, sizeof(module->folder), "%s/module", base);
	snprintf(module->directories[0], sizeof(module->directories[0]), "%s", directory);
	module->directory_count = 1;
	struct preflight_site site = { .config = "/nowhere/config",
		.state = state,
		.run = "/nowhere/run",
		.programs = "/nowhere/programs",
		.neighbours = neighbour,
		.neighbour_count = neighbour != NULL ? 1 : 0 };
	preflight_check(&site, module, findings);
	free(module);
}

static void expect(const char *directory, const char *words)
{
	struct preflight_findings findings;
	check(directory, &findings, NULL);
	assert_int_equal(findings.count, 1);
	if (strstr(findings.list[0].sentence, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, findings.list[0].sentence);
}

static void a_good_directory_has_no_finding(void **state)
{
	struct preflight_findings findings;
	struct stat before, after;
	(void)state;
	assert_int_equal(stat(data, &before), 0);
	check(data, &findings, NULL);
	assert_int_equal(stat(data, &after), 0);
	if (findings.count != 0)
		fail_msg("found: %s", findings.list[0].sentence);
	/* Looking leaves no trace: a change would count as made by hand (R13). */
	assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
}

static void a_wrong_place_is_refused(void **state)
{
	char path[256];
	(void)state;
	snprintf(path, sizeof(path), "%s/none", base);
	expect(path,
		"is missing on this node; mount its disk, or, if it is new, make it (mkdir -p)");
	expect("/etc/hostname", "'/etc/hostname' is not a directory; name a directory");
	expect("/proc/sys", "cannot be replicated: it contains /proc or lies in it");
	expect("/dev/shm", "cannot be replicated: it contains /dev or lies in it");
	expect("/", "cannot be replicated: it contains /proc or lies in it");
	expect(base, "cannot be replicated: it contains Evenkeel's own state");
	snprintf(path, sizeof(path), "%s/state", base);
	expect(path, "Evenkeel's own state");
}

static void another_modules_directory_is_refused(void **state)
{
	struct preflight_findings findings;
	struct preflight_neighbour neighbour = { .module = "other" };
	(void)state;
	snprintf(neighbour.path, sizeof(neighbour.path), "%s/sub", data);
	check(data, &findings, &neighbour);
	assert_int_equal(findings.count, 1);
	assert_non_null(
		strstr(findings.list[0].sentence, "of module 'other' lie one in the other"));
}

static void a_script_that_cannot_run_is_refused(void **state)
{
	char path[256];
	(void)state;
	snprintf(path, sizeof(path), "%s/module/bin/start_prim", base);
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	close(fd);
	expect(data, "bin/start_prim' is not executable; chmod +x it");
	unlink(path);
}

/* ---- holders ---- */

enum hold { HOLD_CWD, HOLD_FILE, HOLD_MAP, HOLD_OTHER_PLACE, HOLD_COUNT };

static void hold_as(enum hold hold)
{
	char path[256];
	if (hold == HOLD_CWD && chdir(data) != 0)
		_exit(1);
	if (hold == HOLD_FILE || hold == HOLD_MAP) {
		snprintf(path, sizeof(path), "%s/sub/file", data);
		int fd = open(path, O_RDWR | O_CREAT, 0644);
		if (fd < 0 || ftruncate(fd, 4096) != 0)
			_exit(1);
		if (hold == HOLD_MAP) {
			if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
				_exit(1);
			close(fd);
		}
	}
	/* A mount namespace in which the tree is seen at another place only. */
	if (hold == HOLD_OTHER_PLACE) {
		snprintf(path, sizeof(path), "%s/state", base);
		if (unshare(CLONE_NEWNS) != 0 ||
			mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
			mount(data, path, NULL, MS_BIND, NULL) != 0 || chdir(path) != 0)
			_exit(1);
	}
}

static pid_t start_holder(enum hold hold)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		hold_as(hold);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		close(ready[0]);
		close(ready[1]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void each_holder_is_found_by_name_and_pid(void **state)
{
	static const char *const how[HOLD_COUNT] = { "working directory", "open file",
		"mapped file", "working directory" };
	(void)state;
	for (int hold = 0; hold < HOLD_COUNT; hold++) {
		struct holders holders;
		char named[128];
		pid_t pid = start_holder((enum hold)hold);
		assert_int_equal(holders_find(data, "/nowhere", &holders), 0);
		assert_int_equal(holders.count, 1);
		assert_int_equal(holders.list[0].pid, pid);
		assert_string_equal(holders.list[0].how, how[hold]);
		snprintf(named, sizeof(named), "is in use by %s (pid %d, %s)", holders.list[0].name,
			(int)pid, how[hold]);
		expect(data, named);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(holders_find(data, "/nowhere", &holders), 0);
		assert_int_equal(holders.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_directory_has_no_finding),
		cmocka_unit_test(a_wrong_place_is_refused),
		cmocka_unit_test(another_modules_directory_is_refused),
		cmocka_unit_test(a_script_that_cannot_run_is_refused),
		cmocka_unit_test(each_holder_is_found_by_name_and_pid),
	};
	if (geteuid() != 0)
		return 77; /* meson counts it as skipped */
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
