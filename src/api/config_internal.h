/* What the files of the configuration share. Not for others. */
#ifndef EVENKEEL_API_CONFIG_INTERNAL_H
#define EVENKEEL_API_CONFIG_INTERNAL_H

#include <stddef.h>

#include "api/config.h"
#include "api/settings.h"

/* clang-format off */
#define AT(type, field) .offset = offsetof(struct type, field), .size = sizeof(((struct type *)0)->field)
#define LIST_AT(type, field, count, most) \
	.offset = offsetof(struct type, field), .size = sizeof(((struct type *)0)->field[0]), \
	.count_offset = offsetof(struct type, count), .items_max = most

/* The rows of module.yaml. */
enum { MODULE_KIND, MODULE_NUMBER, MODULE_NODES, MODULE_PREFERRED, MODULE_FAILOVER, MODULE_DIRECTORIES, MODULE_ADDRESSES,
       MODULE_ADDRESS, MODULE_DURABILITY, MODULE_PEER_TIMEOUT, MODULE_DISK_TIMEOUT, MODULE_SCRIPT_TIMEOUT, MODULE_REPAIRS,
       MODULE_REPAIRS_WINDOW, MODULE_CHECKS, MODULE_ROWS };
/* clang-format on */

extern const struct setting module_rows[MODULE_ROWS];
extern const struct settings_table module_table;

/* As config_read_module(); source->file stands in place, its lines are filled in. */
int config_read_module_lines(const char *folder, struct module_settings *out_settings,
	struct settings_source *source, struct config_error *error) MUST_CHECK;
/* The same from run_folder/NAME.yaml; source->file is what complaints after it name. */
int config_read_applied_lines(const char *run_folder, const char *folder,
	struct module_settings *out_settings, struct settings_source *source,
	struct config_error *error) MUST_CHECK;
bool config_has_applied(const char *run_folder, const char *name);
/* Whether a row of module.yaml means something to a mirror only. */
bool config_is_mirrors(int row);
bool config_paths_overlap(const char *a, const char *b);
/* The row by which the addresses were given: `addresses` or `address`. */
int config_address_row(const struct settings_source *source);

/* "FILE:LINE: key 'KEY': ..." for a row of module.yaml. */
#define MODULE_COMPLAIN(source_, error_, row, ...)                                                \
	settings_complain((error_), (source_)->file, (source_)->lines[row], module_rows[row].key, \
		__VA_ARGS__)

#endif
