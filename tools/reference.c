/*
 * Prints docs/reference.md: what the tables of the product say of commands, the status, events,
 * sockets and files.
 *
 *	build/main/tools/reference >docs/reference.md
 *
 * Nothing is told here that a table does not tell.
 */
#include <stdio.h>
#include <string.h>

#include "api/admin.h"
#include "api/control.h"
#include "api/events.h"
#include "api/preface.h"
#include "api/status.h"
#include "cli/commands.h"
#include "platform/folders.h"

/* ---- pieces ---- */

/* A cell of a table: a bar would end it. */
static void cell(const char *text)
{
	for (; *text != '\0'; text++)
		printf(*text == '|' ? "\\|" : "%c", *text);
}

static void print_words(const char *head, const struct words *words)
{
	printf("\n| %s | Meaning |\n|---|---|\n", head);
	for (unsigned int i = 0; i < words->count; i++) {
		printf("| `%s` | ", words->list[i].name);
		cell(words->list[i].meaning != NULL ? words->list[i].meaning : "");
		printf(" |\n");
	}
}

static void print_field(const struct field *field, const char *indent)
{
	bool is_optional = field->present != 0 || field->kind == FIELD_STRING;
	printf("| %s`%s` | %s%s | %s | ", indent, field->name, field_kind_sentence(field->kind),
		is_optional ? ", or absent" : "", field->unit);
	cell(field->help);
	printf(" |\n");
}

static void print_fields(const struct fields *fields)
{
	printf("\n| Field | In JSON | Unit | Meaning |\n|---|---|---|---|\n");
	for (unsigned int i = 0; i < fields->count; i++)
		print_field(&fields->list[i], "");
}

/* A struct, then the structs in it, each under its name. */
static void print_deep(const char *title, const struct fields *fields)
{
	printf("\n### %s\n", title);
	print_fields(fields);
	for (unsigned int i = 0; i < fields->count; i++) {
		const struct field *field = &fields->list[i];
		char inner[96];
		if (field->fields == NULL)
			continue;
		(void)snprintf(inner, sizeof(inner), "%s: `%s`", title, field->name);
		print_deep(inner, field->fields);
	}
}

/* ---- chapters ---- */

static void print_commands(void)
{
	printf("\n## Commands of `evenkeel`\n\n"
	       "`evenkeel help` shows the same. Exit code: 0 done, 1 refused or failed, 2 wrong "
	       "words.\n\n"
	       "| Command | Role | What it does | Options |\n|---|---|---|---|\n");
	for (size_t i = 0; i < command_row_count; i++) {
		const struct command_row *row = &command_rows[i];
		printf("| `%s%s%s` | %s | ", row->name, row->operands[0] != '\0' ? " " : "",
			row->operands, words_name(&role_words, row->role));
		cell(row->help);
		printf(" |");
		for (int option = 0; option < OPTION_COUNT; option++) {
			if ((row->options & BIT(option)) != 0)
				printf(" `--%s`", option_rows[option].name);
		}
		printf(" |\n");
	}
	printf("\n| Option | Value | Meaning |\n|---|---|---|\n");
	for (int option = 0; option < OPTION_COUNT; option++) {
		const char *value = option_rows[option].value;
		bool is_of_all = (command_options_of_all & BIT(option)) != 0;
		printf("| `--%s` | %s | ", option_rows[option].name, value != NULL ? value : "");
		cell(option_rows[option].help);
		printf("%s |\n", is_of_all ? " (of all commands)" : "");
	}
	print_words("Role", &role_words);
}

static void print_admin(void)
{
	printf("\n## `admin.sock`\n\n"
	       "A stream socket for root in the run folder: one JSON object a line each way. An "
	       "answer has `ok`; `sentence` and `refusal` where it is refused.\n");
	print_fields(&admin_request_fields);
	printf("\n| Command | Role | Names a module | Takes force | What it does | Answers |\n"
	       "|---|---|---|---|---|---|\n");
	for (int i = 0; i < ADMIN_COMMAND_COUNT; i++) {
		const struct admin_command_row *row = &admin_command_rows[i];
		printf("| `%s` | %s | %s | %s | ", row->name, words_name(&role_words, row->role),
			row->has_module ? "yes" : "no", row->can_force ? "yes" : "no");
		cell(row->help);
		printf(" |");
		for (unsigned int k = 0; row->answer != NULL && k < row->answer->count; k++)
			printf(" `%s`", row->answer->list[k].name);
		printf(" |\n");
	}
	print_words("Refusal", &admin_refusal_words);
	printf("\nAfter `subscribe` each line has a `type`:\n");
	print_words("Line", &admin_line_words);
}

static void print_events(void)
{
	printf("\n## Events\n\n"
	       "One JSON object a line in `events.jsonl`; `evenkeel log` shows them.\n");
	print_fields(&shown_event_fields);
	print_words("Severity", &severity_words);
	printf("\n| Event | Severity | Meaning | To do |\n|---|---|---|---|\n");
	for (size_t i = 0; i < event_row_count; i++) {
		const struct event_row *row = &event_rows[i];
		printf("| `%s` | %s | ", row->id, words_name(&severity_words, row->severity));
		cell(row->meaning);
		printf(" | ");
		cell(row->to_do);
		printf(" |\n");
	}
}

static void print_files(void)
{
	printf("\n## Folders of a node\n\n"
	       "Options of all programs.\n\n| Option | Default | What |\n|---|---|---|\n");
	for (int i = 0; i < FOLDER_COUNT; i++)
		printf("| `--%s` | `%s` | %s |\n", folder_rows[i].option, folder_rows[i].standard,
			folder_rows[i].help);
	printf("\nNAME is a module's.\n\n| File | Folder | What |\n|---|---|---|\n");
	for (int i = 0; i < NODE_FILE_COUNT; i++) {
		printf("| `%s` | `--%s` | ", node_file_rows[i].name,
			folder_rows[node_file_rows[i].folder].option);
		cell(node_file_rows[i].help);
		printf(" |\n");
	}
}

static void print_control(void)
{
	printf("\n## `control.sock`\n\n"
	       "Between evenkeeld and each evenkeel-fs, which connects and says hello: one JSON "
	       "object a packet, with its `type`; how they go on with each other is told in "
	       "`docs/architecture.md`.\n");
	for (int i = 0; i < CONTROL_TYPE_COUNT; i++) {
		const struct control_row *row = &control_rows[i];
		printf("\n### `%s`, %s evenkeel-fs\n\n%s.\n", row->name,
			row->is_from_fs ? "from" : "to", row->help);
		print_fields(&row->fields);
	}
	print_words("Role", &fs_role_words);
	print_words("Link", &fs_link_words);
	print_words("Report", &fs_report_words);
	print_words("Order", &fs_order_words);
	print_words("Plan", &resync_plan_words);
	printf("\n## Answers to the preface of a stream\n\n"
	       "Version %d; the bytes are told in `docs/architecture.md`.\n",
		PREFACE_VERSION);
	print_words("Status, from 0", &preface_status_words);
}

int main(void)
{
	printf("# Reference\n\n"
	       "Made from the tables in the code by `tools/reference`; a gate holds that it is "
	       "fresh.\n");
	print_commands();
	printf("\n## Status\n\n"
	       "What `evenkeel status --json` prints and `admin.sock` answers.\n");
	print_deep("The status", &shown_status_fields);
	print_admin();
	print_events();
	print_files();
	print_control();
	return fflush(stdout) == 0 ? 0 : 1;
}
