/*
 * One value of a setting: from text, to text, compared, described. No YAML here.
 */
#include "api/settings.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	int64_t ns;
} units[] = {
	/* largest first, so that formatting takes the first that divides */
	{ "h", 3600 * NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "s", NS_PER_S },
	{ "ms", NS_PER_MS },
};

static bool parse_number(const char *text, const char **out_end, int64_t *out_value)
{
	char *end = NULL;
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno != 0)
		return false;
	*out_end = end;
	*out_value = value;
	return true;
}

static bool parse_integer(const struct setting *row, const char *text, void *field)
{
	const char *end;
	int64_t value;
	if (!parse_number(text, &end, &value) || *end != '\0' || value < row->min ||
		value > row->max)
		return false;
	switch (row->size) {
	case sizeof(uint8_t): *(uint8_t *)field = (uint8_t)value; return true;
	case sizeof(uint16_t): *(uint16_t *)field = (uint16_t)value; return true;
	case sizeof(uint64_t): *(uint64_t *)field = (uint64_t)value; return true;
	}
	return false;
}

static bool parse_duration(const struct setting *row, const char *text, void *field)
{
	const char *end;
	int64_t value, ns;
	if (!parse_number(text, &end, &value))
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].ns, &ns) || ns < row->min ||
			ns > row->max)
			return false;
		*(int64_t *)field = ns;
		return true;
	}
	return false;
}

static bool parse_boolean(const char *text, void *field)
{
	bool is_true = strcmp(text, "true") == 0;
	if (!is_true && strcmp(text, "false") != 0)
		return false;
	*(bool *)field = is_true;
	return true;
}

static bool parse_word(const struct setting *row, const char *text, void *field)
{
	for (int i = 0; row->words[i] != NULL; i++) {
		if (strcmp(row->words[i], text) == 0) {
			*(unsigned int *)field = (unsigned int)i;
			return true;
		}
	}
	return false;
}

static bool is_name(const char *text)
{
	if (text[0] == '\0' || text[0] == '.' || text[0] == '-')
		return false;
	for (const char *at = text; *at != '\0'; at++) {
		if (!isalnum((unsigned char)*at) && strchr("._-", *at) == NULL)
			return false;
	}
	return true;
}

/* No empty, "." or ".." part: two texts name the same directory only if they are equal. */
static bool is_normal_path(const char *text)
{
	while (*text != '\0') {
		size_t part = strcspn(text, "/");
		if (part == 0 || (part == 1 && text[0] == '.') ||
			(part == 2 && text[0] == '.' && text[1] == '.'))
			return false;
		text += part;
		if (*text == '/' && *++text == '\0')
			return false;
	}
	return true;
}

static bool parse_string(const struct setting *row, const char *text, void *field)
{
	size_t size = strlen(text);
	bool is_good = false;
	if (size == 0 || size >= row->size)
		return false;
	switch (row->type) {
	case SETTING_NAME: is_good = is_name(text); break;
	case SETTING_FILE: is_good = text[0] != '/' && is_normal_path(text); break;
	case SETTING_DIRECTORY: is_good = text[0] == '/' && is_normal_path(text + 1); break;
	default: break; /* EXCEPTION: the other types are no strings and never come here */
	}
	if (is_good)
		memcpy(field, text, size + 1);
	return is_good;
}

/* "/PREFIX", if it is there; moves on behind it. Gives what is wrong, or NULL. */
static const char *parse_prefix(const char **text, struct address_config *address)
{
	int64_t prefix;
	if (**text != '/')
		return NULL;
	if (!parse_number(*text + 1, text, &prefix))
		return "has no number behind its '/'";
	if (prefix < 1 || prefix > address_prefix_max(&address->address))
		return address->address.family == ADDRESS_IPV6
			       ? "has a prefix that is not from 1 to 128"
			       : "has a prefix that is not from 1 to 32";
	address->prefix = (uint8_t)prefix;
	enum address_fault fault = address_check_in(&address->address, address->prefix);
	return fault == ADDRESS_IS_GOOD ? NULL : address_fault_text(fault);
}

/* "@INTERFACE", if it is there. */
static const char *parse_interface(const char *text, struct address_config *address)
{
	if (*text == '\0')
		return NULL;
	if (*text != '@')
		return "has something behind its prefix";
	size_t size = strlen(++text);
	if (size == 0 || size >= sizeof(address->interface) || strpbrk(text, "/ \t") != NULL)
		return "has no name of an interface behind its '@'";
	if (strcmp(text, "lo") == 0)
		return "names the loopback interface 'lo', where no client comes from";
	memcpy(address->interface, text, size + 1);
	return NULL;
}

/* IP[/PREFIX][@INTERFACE] */
static const char *parse_service_address(const char *text, struct address_config *out_address)
{
	struct address_config address;
	size_t size = strcspn(text, "/@");
	memset(&address, 0, sizeof(address)); /* padding too: values are compared as bytes */
	enum address_fault fault = address_parse(text, size, &address.address);
	if (fault == ADDRESS_IS_GOOD)
		fault = address_check(&address.address, ADDRESS_OF_SERVICE);
	if (fault != ADDRESS_IS_GOOD)
		return address_fault_text(fault);
	text += size;
	const char *why = parse_prefix(&text, &address);
	if (why == NULL)
		why = parse_interface(text, &address);
	if (why == NULL)
		memcpy(out_address, &address, sizeof(address));
	return why;
}

static const char *parse_host_address(const char *text, enum address_use use, void *field)
{
	enum address_fault fault = address_read(text, use, field);
	return fault == ADDRESS_IS_GOOD ? NULL : address_fault_text(fault);
}

const char *settings_why_not(const struct setting *row, const char *text)
{
	struct address_config ignored;
	switch (row->type) {
	case SETTING_NODE_ADDRESS:
		return parse_host_address(text, ADDRESS_OF_NODE, &ignored.address);
	case SETTING_TARGET_ADDRESS:
		return parse_host_address(text, ADDRESS_OF_TARGET, &ignored.address);
	case SETTING_ADDRESS: return parse_service_address(text, &ignored);
	default: return NULL; /* EXCEPTION: of the others, what is expected says enough */
	}
}

bool settings_parse_value(const struct setting *row, const char *text, void *target)
{
	void *field = (char *)target + row->offset;
	switch (row->type) {
	case SETTING_NAME:
	case SETTING_DIRECTORY:
	case SETTING_FILE: return parse_string(row, text, field);
	case SETTING_INTEGER: return parse_integer(row, text, field);
	case SETTING_DURATION: return parse_duration(row, text, field);
	case SETTING_BOOLEAN: return parse_boolean(text, field);
	case SETTING_WORD: return parse_word(row, text, field);
	case SETTING_NODE_ADDRESS: return parse_host_address(text, ADDRESS_OF_NODE, field) == NULL;
	case SETTING_TARGET_ADDRESS:
		return parse_host_address(text, ADDRESS_OF_TARGET, field) == NULL;
	case SETTING_ADDRESS: return parse_service_address(text, field) == NULL;
	case SETTING_MAPS: return false;
	}
	return false;
}

static void format_duration(int64_t ns, char *out, size_t size)
{
	for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
		if (ns % units[i].ns == 0 && (ns != 0 || units[i].ns == NS_PER_S)) {
			snprintf(out, size, "%" PRId64 "%s", ns / units[i].ns, units[i].name);
			return;
		}
	}
	snprintf(out, size, "%" PRId64 "ns", ns);
}

static void join_words(const char *const *words, char *out, size_t size)
{
	size_t used = 0;
	out[0] = '\0';
	for (int i = 0; words[i] != NULL && used < size; i++)
		used += (size_t)snprintf(
			out + used, size - used, "%s%s", i == 0 ? "" : " or ", words[i]);
}

static void expected_one(const struct setting *row, char *out, size_t size)
{
	char low[32], high[32];
	switch (row->type) {
	case SETTING_NAME:
		snprintf(out, size,
			"a name of at most %zu letters, digits, '.', '_' or '-', beginning with a "
			"letter or digit",
			row->size - 1);
		return;
	case SETTING_DIRECTORY:
		snprintf(out, size, "an absolute path without '.', '..', or '/' at its end");
		return;
	case SETTING_FILE:
		snprintf(out, size, "the name of a file below the module's bin/");
		return;
	case SETTING_INTEGER:
		snprintf(out, size, "a whole number from %" PRId64 " to %" PRId64, row->min,
			row->max);
		return;
	case SETTING_DURATION:
		format_duration(row->min, low, sizeof(low));
		format_duration(row->max, high, sizeof(high));
		snprintf(out, size, "a duration from %s to %s, such as %s", low, high,
			row->fallback != NULL ? row->fallback : "2s");
		return;
	case SETTING_BOOLEAN: snprintf(out, size, "true or false"); return;
	case SETTING_WORD: join_words(row->words, out, size); return;
	case SETTING_NODE_ADDRESS:
	case SETTING_TARGET_ADDRESS:
		snprintf(out, size, "an address such as 10.0.0.1 or fd00::1");
		return;
	case SETTING_ADDRESS:
		snprintf(out, size,
			"an address such as 10.0.0.100, 10.0.0.100/24, fd00::100 or "
			"fd00::100@eth0");
		return;
	case SETTING_MAPS: snprintf(out, size, "maps, each line as '- key: value'"); return;
	}
}

void settings_expected(const struct setting *row, char *out, size_t size)
{
	int used = 0;
	if (row->items_max > 1)
		used = snprintf(out, size, "a list of 1 to %d: ", row->items_max);
	if (used >= 0 && (size_t)used < size)
		expected_one(row, out + used, size - (size_t)used);
}

static void format_integer(const struct setting *row, const void *field, char *out, size_t size)
{
	uint64_t value = 0;
	switch (row->size) {
	case sizeof(uint8_t): value = *(const uint8_t *)field; break;
	case sizeof(uint16_t): value = *(const uint16_t *)field; break;
	case sizeof(uint64_t): value = *(const uint64_t *)field; break;
	}
	snprintf(out, size, "%" PRIu64, value);
}

static void format_address(const struct address_config *address, char *out, size_t size)
{
	char shown[ADDRESS_TEXT_SIZE], prefix[8] = "";
	if (address->prefix != 0)
		snprintf(prefix, sizeof(prefix), "/%u", address->prefix);
	snprintf(out, size, "%s%s%s%s", address_format(&address->address, shown), prefix,
		address->interface[0] != '\0' ? "@" : "", address->interface);
}

static void format_one(const struct setting *row, const void *field, char *out, size_t size)
{
	char shown[ADDRESS_TEXT_SIZE];
	switch (row->type) {
	case SETTING_NAME:
	case SETTING_DIRECTORY:
	case SETTING_FILE: snprintf(out, size, "%s", (const char *)field); return;
	case SETTING_INTEGER: format_integer(row, field, out, size); return;
	case SETTING_DURATION: format_duration(*(const int64_t *)field, out, size); return;
	case SETTING_BOOLEAN:
		snprintf(out, size, "%s", *(const bool *)field ? "true" : "false");
		return;
	case SETTING_WORD:
		snprintf(out, size, "%s", row->words[*(const unsigned int *)field]);
		return;
	case SETTING_NODE_ADDRESS:
	case SETTING_TARGET_ADDRESS:
		snprintf(out, size, "%s", address_format(field, shown));
		return;
	case SETTING_ADDRESS: format_address(field, out, size); return;
	case SETTING_MAPS: snprintf(out, size, "(a map)"); return;
	}
}

void settings_format(const struct setting *row, const void *target, char *out, size_t size)
{
	const char *field = (const char *)target + row->offset;
	int count = 1;
	size_t used = 0;
	out[0] = '\0';
	if (row->items_max > 0)
		count = *((const uint8_t *)target + row->count_offset);
	if (row->type == SETTING_MAPS) {
		snprintf(out, size, "%d of them", count);
		return;
	}
	for (int i = 0; i < count && used + 3 < size; i++) {
		if (i > 0)
			used += (size_t)snprintf(out + used, size - used, ", ");
		format_one(row, field + (size_t)i * row->size, out + used, size - used);
		used += strlen(out + used);
	}
}

bool settings_is_equal(const struct setting *row, const void *a, const void *b)
{
	const char *left = (const char *)a + row->offset, *right = (const char *)b + row->offset;
	size_t size = row->size;
	if (row->items_max > 0) {
		uint8_t count = *((const uint8_t *)a + row->count_offset);
		if (count != *((const uint8_t *)b + row->count_offset))
			return false;
		size *= count;
	}
	/* Both were zeroed before they were filled, so bytes after a string's end are equal too. */
	return memcmp(left, right, size) == 0;
}

/* Levenshtein's distance, in one row of the matrix. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64], size = strlen(b);
	if (size >= ARRAY_COUNT(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= size; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= size; j++) {
			size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
			diagonal = row[j];
			row[j] = MIN_OF(change, MIN_OF(row[j], row[j - 1]) + 1);
		}
	}
	return row[size];
}

const char *settings_nearest(const struct settings_table *table, const char *key)
{
	const char *nearest = NULL;
	size_t best = 3;
	if (strlen(key) > 64)
		return NULL;
	for (int i = 0; i < table->count; i++) {
		size_t away = distance(key, table->rows[i].key);
		if (away < best) {
			best = away;
			nearest = table->rows[i].key;
		}
	}
	return nearest;
}

void settings_add_help(const struct settings_table *table, json_t *rows)
{
	for (int i = 0; i < table->count; i++) {
		const struct setting *row = &table->rows[i];
		char expected[256];
		settings_expected(row, expected, sizeof(expected));
		(void)json_array_append_new(
			rows, json_pack("{s:s,s:s,s:s,s:s?,s:b,s:b,s:s}", "file", table->title,
				      "key", row->key, "expected", expected, "default",
				      row->fallback, "is_required", row->is_required, "is_live",
				      row->is_live, "help", row->help));
		if (row->table != NULL)
			settings_add_help(row->table, rows);
	}
}

void settings_print_help(const struct settings_table *table, FILE *out)
{
	fprintf(out, "%s\n", table->title);
	for (int i = 0; i < table->count; i++) {
		const struct setting *row = &table->rows[i];
		char expected[256];
		settings_expected(row, expected, sizeof(expected));
		fprintf(out, "  %-18s %s\n", row->key, row->help);
		fprintf(out, "  %-18s %s; %s%s%s\n", "", expected,
			row->is_required	? "must be given"
			: row->fallback != NULL ? "default "
						: "may be left out",
			!row->is_required && row->fallback != NULL ? row->fallback : "",
			row->is_live ? "; may change while the module runs" : "");
	}
	for (int i = 0; i < table->count; i++) {
		if (table->rows[i].table != NULL)
			settings_print_help(table->rows[i].table, out);
	}
}
