/* Why an evenkeel-fs ended before it said hello, in its own words. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/guests/internal.h"
#include "platform/folders.h"

static void path_of(const struct module *module, char out[PATH_SIZE_MAX])
{
	node_file_path(out, NODE_FILE_WORDS, module->daemon->paths.run, module->settings.name);
}

void fs_words_forget(const struct module *module)
{
	char path[PATH_SIZE_MAX];

	path_of(module, path);
	(void)unlink(path); /* seldom there */
}

void fs_words_read(const struct module *module, char *out, size_t size)
{
	char path[PATH_SIZE_MAX];

	path_of(module, path);
	out[0] = '\0';
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(out, (int)size, file) == NULL)
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	(void)fclose(file);
}
