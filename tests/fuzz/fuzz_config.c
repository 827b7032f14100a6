/*
 * Any bytes as cluster.yaml and as module.yaml: refused with a sentence, or read; never a crash.
 *
 * Build and run:
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isrc \
 *		tests/fuzz/fuzz_config.c src/api/config*.c src/api/settings*.c src/platform/folders.c \
 *		src/core/names.c src/base/*.c -lyaml -o /tmp/fuzz_config
 *	/tmp/fuzz_config -max_total_time=60 tests/fuzz/corpus/config
 */
#include <stdlib.h>
#include <string.h>

#include "api/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = { .data = data, .size = size };
	struct config_error error = { "" };
	struct cluster_config cluster;
	struct module_settings *settings = malloc(sizeof(*settings));
	CHECK(settings != NULL);
	if (config_read_cluster_text("c", text, &cluster, &error) != 0)
		CHECK(error.sentence[0] != '\0');
	else
		CHECK(cluster.node_count > 0);
	error.sentence[0] = '\0';
	if (config_read_module_text("m", text, settings, &error) != 0)
		CHECK(error.sentence[0] != '\0');
	else
		CHECK(settings->directory_count > 0);
	free(settings);
	return 0;
}
