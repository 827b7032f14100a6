/* What scripts and the commands of checks find in their environment. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/scripts/scripts.h"

#define ENVIRONMENT_MAX 16

static char *variable(const char *key, const char *value)
{
	char *text = NULL;

	return asprintf(&text, "%s=%s", key, value) < 0 ? NULL : text;
}

static void join_directories(const struct module_settings *settings, char *out, size_t size_max)
{
	size_t size = 0;

	out[0] = '\0';
	for (int i = 0; i < settings->directory_count && size < size_max; i++)
		size += (size_t)snprintf(out + size, size_max - size, "%s%s", i == 0 ? "" : ":",
			settings->directories[i]);
}

/* By spaces: a colon stands in IPv6 addresses themselves. */
static void join_addresses(const struct module_settings *settings, char *out, size_t size_max)
{
	size_t size = 0;

	out[0] = '\0';
	for (int i = 0; i < settings->address_count; i++) {
		char shown[ADDRESS_TEXT_SIZE];
		size += (size_t)snprintf(out + size, size_max - size, "%s%s", i == 0 ? "" : " ",
			address_format(&settings->addresses[i].address, shown));
	}
	CHECK(size < size_max);
}

char **scripts_environment(const struct module *module)
{
	const struct module_settings *settings = &module->settings;
	const char *path = getenv("PATH");
	char address[ADDRESS_TEXT_SIZE] = "", addresses[ADDRESSES_MAX * ADDRESS_TEXT_SIZE];
	char **environment = calloc(ENVIRONMENT_MAX, sizeof(char *));
	char *directories = malloc(PATH_SIZE_MAX * ROOTS_MAX);
	int count = 0;

	CHECK(environment != NULL && directories != NULL);
	join_directories(settings, directories, PATH_SIZE_MAX * ROOTS_MAX);
	join_addresses(settings, addresses, sizeof(addresses));
	if (settings->address_count > 0)
		(void)address_format(&settings->addresses[0].address, address);
	const char *const pairs[][2] = {
		{ "PATH", path != NULL ? path : "/usr/sbin:/usr/bin:/sbin:/bin" },
		{ "HOME", "/root" },
		{ "LANG", "C.UTF-8" },
		{ "EVENKEEL_MODULE", settings->name },
		{ "EVENKEEL_NODE", module->daemon->self->name },
		{ "EVENKEEL_ADDRESS", address },
		{ "EVENKEEL_ADDRESSES", addresses },
		{ "EVENKEEL_DIRECTORY",
			settings->directory_count > 0 ? settings->directories[0] : "" },
		{ "EVENKEEL_DIRECTORIES", directories },
		{ "EVENKEEL_CONFIG", module->daemon->paths.config },
		{ "EVENKEEL_STATE", module->daemon->paths.state },
		{ "EVENKEEL_RUN", module->daemon->paths.run },
	};
	_Static_assert(ARRAY_COUNT(pairs) < ENVIRONMENT_MAX, "and the terminator");
	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
		environment[count] = variable(pairs[i][0], pairs[i][1]);
		CHECK(environment[count] != NULL);
		count++;
	}
	free(directories);
	return environment;
}

void scripts_free_environment(char **environment)
{
	for (int i = 0; environment[i] != NULL; i++)
		free(environment[i]);
	free(environment);
}
