#include "api/admin.h"

#include "api/status.h"

/* The core's refusals are told under the same numbers. */
_Static_assert((int)ADMIN_REFUSED_UNKNOWN_MODULE == (int)REFUSAL_UNKNOWN_MODULE &&
		       (int)ADMIN_REFUSED_BUSY == (int)REFUSAL_BUSY &&
		       (int)ADMIN_REFUSED_NOT_THIS_NODE == (int)REFUSAL_NOT_THIS_NODE &&
		       (int)ADMIN_REFUSED_PREFLIGHT == (int)REFUSAL_COUNT,
	"the rows follow enum refusal");

static const struct word roles[] = { ROLES(WORD_ROW) };
const struct words role_words = { roles, ROLE_COUNT };

static const struct word refusals[] = { ADMIN_REFUSALS(WORD_ROW) };
const struct words admin_refusal_words = { refusals, ADMIN_REFUSAL_COUNT };

static const struct word lines[] = { ADMIN_LINES(WORD_ROW) };
const struct words admin_line_words = { lines, ADMIN_LINE_TYPE_COUNT };

/* clang-format off */
#define REQUEST(...) FIELD(struct admin_request, __VA_ARGS__)
static const struct field request_rows[] = {
	REQUEST(STRING, command, "command", NULL, "", "one of those below"),
	REQUEST(STRING, module, "module", NULL, "", "of commands that name one"),
	REQUEST(BOOL, is_forced, "force", NULL, "", "do it although something may be lost",
		.present = offsetof(struct admin_request, has_force)),
};
const struct fields admin_request_fields = FIELDS(request_rows);

#define VERIFIED(kind, member, name, words, unit, help) FIELD(struct fs_verified, kind, member, name, words, unit, help),
static const struct field verified_rows[] = { FS_VERIFIED_FIELDS(VERIFIED) };
const struct fields admin_verified_fields = FIELDS(verified_rows);

#define ROW(constant, name, role, has_module, can_force, answer, help) \
	[constant] = { name, role, has_module, can_force, answer, help },
/* clang-format on */

const struct admin_command_row admin_command_rows[ADMIN_COMMAND_COUNT] = { ADMIN_COMMANDS(ROW) };
