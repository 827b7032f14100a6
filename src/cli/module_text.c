#include "cli/module_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool line_gives(const char *line, const char *key)
{
	size_t size = strlen(key);
	if (strncmp(line, key, size) != 0)
		return false;
	line += size;
	line += strspn(line, " \t");
	return *line == ':';
}

/* What belongs to the key above: indented, an item of its list, a closing bracket. */
static bool line_continues(const char *line)
{
	return strchr(" \t-]}", line[0]) != NULL && strncmp(line, "---", 3) != 0;
}

static bool line_is_empty(const char *line)
{
	return line[0] == '\n' || line[0] == '#';
}

/* NULL if there is none. */
static const char *line_of(const char *text, const char *key)
{
	for (const char *line = text; line != NULL && *line != '\0';) {
		if (line_gives(line, key))
			return line;
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return NULL;
}

bool module_text_has(const char *text, const char *key)
{
	return line_of(text, key) != NULL;
}

bool module_text_is(const char *text, const char *key, const char *word)
{
	const char *line = line_of(text, key);
	if (line == NULL)
		return false;
	const char *value = strchr(line, ':') + 1;
	value += strspn(value, " \t\"'");
	size_t size = strlen(word);
	return strncmp(value, word, size) == 0 && strchr(" \t\r\n\"'", value[size]) != NULL;
}

static void put_commented(const char *text, const char *key, FILE *out)
{
	bool is_inside = false;
	while (*text != '\0') {
		size_t size = strcspn(text, "\n");
		if (line_is_empty(text)) { /* ends nothing, and says nothing */
			fprintf(out, "%.*s\n", (int)size, text);
		} else {
			is_inside = line_gives(text, key) || (is_inside && line_continues(text));
			fprintf(out, "%s%.*s\n", is_inside ? "# " : "", (int)size, text);
		}
		text += size;
		text += *text == '\n' ? 1 : 0;
	}
}

static int rewrite(char **text, const char *key, const char *value)
{
	char *result = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&result, &size);
	if (out == NULL)
		return -ENOMEM;
	put_commented(*text, key, out);
	if (value != NULL)
		fprintf(out, "%s: %s\n", key, value);
	if (fclose(out) != 0) {
		free(result);
		return -ENOMEM;
	}
	free(*text);
	*text = result;
	return 0;
}

int module_text_set(char **text, const char *key, const char *value)
{
	return rewrite(text, key, value);
}

int module_text_unset(char **text, const char *key)
{
	return rewrite(text, key, NULL);
}

int module_text_list(const char *const *items, int count, char *out, size_t size)
{
	size_t at = 0;
	for (int i = 0; i < count; i++) {
		/* room for each letter doubled, quotes, comma, space, brackets */
		if (at + 2 * strlen(items[i]) + 8 > size)
			return -ERANGE;
		memcpy(out + at, i == 0 ? "[\"" : ", \"", i == 0 ? 2 : 3);
		at += i == 0 ? 2 : 3;
		for (const char *c = items[i]; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				out[at++] = '\\';
			out[at++] = *c;
		}
		out[at++] = '"';
	}
	out[at++] = ']';
	out[at] = '\0';
	return 0;
}
