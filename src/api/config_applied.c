/*
 * run/NAME.yaml: the settings under which a module runs, in the words of module.yaml. They are
 * written from what is in force, not copied from the file, which somebody may have changed since.
 *
 * Values stand in double quotes, so that any path is one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/config_internal.h"
#include "platform/folders.h"

/* A folder of modules may hold any name. */
static bool can_be_module(const char *name)
{
	return strlen(name) <= MODULE_NAME_MAX;
}

/* ---- writing ---- */

static void print_quoted(const char *text, FILE *out)
{
	(void)fputc('"', out); /* a failure is seen at the end */
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;
		if (byte == '"' || byte == '\\')
			(void)fprintf(out, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			(void)fprintf(out, "\\x%02x", byte);
		else
			(void)fputc(byte, out);
	}
	(void)fputc('"', out);
}

/* One item of a list as a value of its own. */
static void print_item(const struct setting *row, const void *settings, int index, FILE *out)
{
	char value[PATH_SIZE_MAX + 64];
	struct setting item = *row;

	item.items_max = 0;
	item.offset += (size_t)index * row->size;
	settings_format(&item, settings, value, sizeof(value));
	print_quoted(value, out);
}

static void print_list(const struct setting *row, const void *settings, int count, FILE *out)
{
	(void)fprintf(out, "%s: [", row->key);
	for (int i = 0; i < count; i++) {
		(void)fputs(i > 0 ? ", " : "", out);
		print_item(row, settings, i, out);
	}
	(void)fprintf(out, "]\n");
}

/* An empty text, and no port: it was not given. */
static bool is_given(const struct setting *row, const void *settings)
{
	char value[PATH_SIZE_MAX + 64];

	settings_format(row, settings, value, sizeof(value));
	return value[0] != '\0' && !(row->min == 1 && strcmp(value, "0") == 0);
}

static void print_checks(
	const struct setting *row, const struct module_settings *settings, FILE *out)
{
	(void)fprintf(out, "%s:\n", row->key);
	for (int i = 0; i < settings->check_count; i++) {
		const char *lead = "-";
		for (int j = 0; j < row->table->count; j++) {
			const struct setting *each = &row->table->rows[j];
			if (!is_given(each, &settings->checks[i]))
				continue;
			(void)fprintf(out, "%s %s: ", lead, each->key);
			print_item(each, &settings->checks[i], 0, out);
			(void)fputc('\n', out);
			lead = " ";
		}
	}
}

/* A setting of another kind would not be read again. */
static bool is_of_kind(int index, const struct module_settings *settings)
{
	return settings->kind == KIND_MIRROR || !config_is_mirrors(index);
}

static void print_row(int index, const struct module_settings *settings, FILE *out)
{
	const struct setting *row = &module_rows[index];

	if (index == MODULE_ADDRESS || !is_of_kind(index, settings))
		return; /* `address` is `addresses` */
	if (index == MODULE_NODES) {
		print_list(row, settings, config_node_count(settings), out);
	} else if (row->items_max > 0) {
		int count = *((const uint8_t *)settings + row->count_offset);
		if (count > 0 && row->type == SETTING_MAPS)
			print_checks(row, settings, out);
		else if (count > 0)
			print_list(row, settings, count, out);
	} else if (is_given(row, settings)) {
		(void)fprintf(out, "%s: ", row->key);
		print_item(row, settings, 0, out);
		(void)fputc('\n', out);
	}
}

static int write_settings(const char *path, const struct module_settings *settings)
{
	FILE *out = fopen(path, "we");

	if (out == NULL)
		return -errno;
	(void)fprintf(out,
		"# What is in force, written by evenkeeld. Not to be edited: change %s/"
		"module.yaml, then run 'evenkeel apply'.\n",
		settings->folder);
	for (int i = 0; i < MODULE_ROWS; i++)
		print_row(i, settings, out);
	int error = ferror(out) ? -EIO : 0;
	if (fclose(out) != 0 && error == 0)
		error = -errno;
	return error;
}

int config_keep_applied(const char *run_folder, const struct module_settings *settings)
{
	char path[PATH_SIZE_MAX], new_path[PATH_SIZE_MAX];

	node_file_path(path, NODE_FILE_APPLIED, run_folder, settings->name);
	node_file_path(new_path, NODE_FILE_APPLIED_NEXT, run_folder, settings->name);
	int error = write_settings(new_path, settings);
	if (error == 0 && rename(new_path, path) != 0)
		error = -errno;
	if (error != 0) {
		(void)unlink(new_path);
		(void)unlink(path); /* none is better than an older one */
	}
	return error;
}

void config_forget_applied(const char *run_folder, const char *name)
{
	char path[PATH_SIZE_MAX];

	node_file_path(path, NODE_FILE_APPLIED, run_folder, name);
	(void)unlink(path); /* it may never have been written */
}

/* ---- reading ---- */

bool config_has_applied(const char *run_folder, const char *name)
{
	char path[PATH_SIZE_MAX];

	if (!can_be_module(name))
		return false;
	node_file_path(path, NODE_FILE_APPLIED, run_folder, name);
	return access(path, F_OK) == 0;
}

int config_read_applied_lines(const char *run_folder, const char *folder,
	struct module_settings *out_settings, struct settings_source *source,
	struct config_error *error)
{
	char path[PATH_SIZE_MAX];
	const char *slash = strrchr(folder, '/');
	const char *name = slash != NULL ? slash + 1 : folder;

	if (!can_be_module(name))
		return -ENAMETOOLONG;
	node_file_path(path, NODE_FILE_APPLIED, run_folder, name);
	const char *shown = source->file;
	source->file = path;
	int result = config_read_module_lines(folder, out_settings, source, error);
	source->file = shown;
	return result;
}

int config_read_applied(const char *run_folder, const char *folder,
	struct module_settings *out_settings, struct config_error *out_error)
{
	struct settings_source source = { .file = folder };

	if (config_read_applied_lines(run_folder, folder, out_settings, &source, out_error) == 0)
		return 0;
	*out_error = (struct config_error){ "" };
	return config_read_module(folder, out_settings, out_error);
}
