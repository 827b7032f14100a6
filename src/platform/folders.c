#include "platform/folders.h"

#include <stdio.h>
#include <string.h>

#define FOLDER_ROW(constant, option, standard, help) [constant] = { option, standard, help },
#define NODE_FILE_ROW(constant, folder, name, help)  [constant] = { folder, name, help },

const struct folder_row folder_rows[FOLDER_COUNT] = { FOLDERS(FOLDER_ROW) };
const struct node_file_row node_file_rows[NODE_FILE_COUNT] = { NODE_FILES(NODE_FILE_ROW) };

bool folder_is_usable(const char *path)
{
	return strlen(path) + 2 * MODULE_NAME_MAX < PATH_SIZE_MAX;
}

void node_file_path(
	char out[PATH_SIZE_MAX], enum node_file file, const char *folder, const char *module)
{
	CHECK(file < NODE_FILE_COUNT);
	const char *name = node_file_rows[file].name;
	const char *place = strstr(name, "NAME");
	CHECK((place != NULL) == (module != NULL));
	int size = place == NULL ? snprintf(out, PATH_SIZE_MAX, "%s/%s", folder, name)
				 : snprintf(out, PATH_SIZE_MAX, "%s/%.*s%s%s", folder,
					   (int)(place - name), name, module, place + 4);
	CHECK(size > 0 && size < PATH_SIZE_MAX);
}
