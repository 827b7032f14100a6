/*
 * run/NAME.runtime: what this daemon has running for a module, so that its successor (after a
 * SIGKILL) carries on with it instead of starting it twice. Below /run, gone with the machine: what
 * it says cannot outlive what it speaks of. One word a line, written anew and renamed; at the end what
 * people want to know of before (history.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/runtime.h"
#include "platform/folders.h"

static const struct runtime_word {
	const char *word;
	size_t offset;
} words[] = {
	{ "application", offsetof(struct runtime, is_application_running) },
	{ "address", offsetof(struct runtime, is_address_held) },
	{ "checks", offsetof(struct runtime, are_checks_running) },
	{ "run", offsetof(struct runtime, wishes.is_told_to_run) },
	{ "stop", offsetof(struct runtime, wishes.is_told_to_stop) },
	{ "restart", offsetof(struct runtime, wishes.is_restarting) },
};

#define STATE_WORD	 "state "
#define SINCE_WORD	 "since "
#define MOVE_WORD	 "move "
#define RUNTIME_SIZE_MAX (SENTENCE_SIZE_MAX + STATE_TEXT_SIZE + 256)

/* What stands behind the word, if the line begins with it. */
static const char *after(const char *line, const char *word)
{
	size_t size = strlen(word);
	return strncmp(line, word, size) == 0 ? line + size : NULL;
}

static void read_history(struct runtime *runtime, const char *line)
{
	const char *state = after(line, STATE_WORD), *since = after(line, SINCE_WORD),
		   *move = after(line, MOVE_WORD);

	if (state != NULL)
		(void)snprintf(runtime->state, sizeof(runtime->state), "%s", state);
	if (since != NULL)
		runtime->since_ns = strtoll(since, NULL, 10);
	if (move != NULL)
		(void)snprintf(runtime->move, sizeof(runtime->move), "%s", move);
}

static bool *place(struct runtime *runtime, const struct runtime_word *word)
{
	return (bool *)((char *)runtime + word->offset);
}

void runtime_read(struct module *module)
{
	char path[PATH_SIZE_MAX], text[RUNTIME_SIZE_MAX];
	char *rest = NULL;

	module->runtime = (struct runtime){ 0 };
	node_file_path(path, NODE_FILE_RUNTIME, module->daemon->paths.run, module->settings.name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* nothing was running */
	ssize_t size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[MAX_OF(size, 0)] = '\0';
	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest)) {
		read_history(&module->runtime, line);
		for (size_t i = 0; i < ARRAY_COUNT(words); i++)
			if (strcmp(line, words[i].word) == 0)
				*place(&module->runtime, &words[i]) = true;
	}
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ssize_t size = write(fd, text, strlen(text));
	int error = size < 0 ? -errno : (size_t)size != strlen(text) ? -ENOSPC : 0;
	close(fd);
	return error;
}

bool runtime_is_single_running(const struct module *module)
{
	const struct runtime *runtime = &module->runtime;

	return module->settings.kind == KIND_SINGLE &&
	       (runtime->is_application_running || runtime->is_address_held);
}

void runtime_write(struct module *module)
{
	char path[PATH_SIZE_MAX], new_path[PATH_SIZE_MAX], text[RUNTIME_SIZE_MAX] = "";
	size_t size = 0;

	for (size_t i = 0; i < ARRAY_COUNT(words); i++)
		if (*place(&module->runtime, &words[i]))
			size += (size_t)snprintf(
				text + size, sizeof(text) - size, "%s\n", words[i].word);
	if (module->runtime.since_ns != 0)
		(void)snprintf(text + size, sizeof(text) - size,
			STATE_WORD "%s\n" SINCE_WORD "%lld\n" MOVE_WORD "%s\n",
			module->runtime.state, (long long)module->runtime.since_ns,
			module->runtime.move);
	node_file_path(path, NODE_FILE_RUNTIME, module->daemon->paths.run, module->settings.name);
	node_file_path(
		new_path, NODE_FILE_RUNTIME_NEXT, module->daemon->paths.run, module->settings.name);
	int error = write_file(new_path, text);
	if (error == 0 && rename(new_path, path) < 0)
		error = -errno;
	if (error != 0)
		daemon_log(module->daemon, module, SEVERITY_WARNING, "runtime.failed",
			"%s cannot be written: %s. If evenkeeld is killed now, its successor "
			"starts "
			"the application again.",
			path, strerror(-error));
	if (runtime_is_single_running(module))
		runtime_keep_settings(module);
	else if (module->settings.kind == KIND_SINGLE)
		config_forget_applied(module->daemon->paths.run, module->settings.name);
}

void runtime_remove(struct module *module)
{
	char path[PATH_SIZE_MAX];

	node_file_path(path, NODE_FILE_RUNTIME, module->daemon->paths.run, module->settings.name);
	(void)unlink(path); /* it may never have been written */
	config_forget_applied(module->daemon->paths.run, module->settings.name);
}

void runtime_keep_settings(struct module *module)
{
	int error = config_keep_applied(module->daemon->paths.run, &module->settings);

	if (error != 0)
		daemon_log(module->daemon, module, SEVERITY_WARNING, "runtime.failed",
			"%s/%s.yaml cannot be written: %s. If evenkeeld is killed while "
			"module.yaml is wrong, this module stays out until it is corrected.",
			module->daemon->paths.run, module->settings.name, strerror(-error));
}
