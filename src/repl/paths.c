#include "repl/paths.h"

#include "base/macros.h"

/* When it failed, if that still counts. */
static int64_t failed_ns(const struct paths *paths, uint8_t path, int64_t now_ns)
{
	int64_t bad_ns = paths->bad_ns[path];

	return bad_ns != 0 && now_ns - bad_ns < BAD_FOR_NS ? bad_ns : 0;
}

uint8_t paths_choose(const struct paths *paths, uint8_t count, int64_t now_ns)
{
	uint8_t best = 0;

	CHECK(count >= 1 && count <= LINKS_MAX);
	for (uint8_t path = 1; path < count; path++)
		if (failed_ns(paths, path, now_ns) < failed_ns(paths, best, now_ns))
			best = path;
	return best;
}

void paths_on_failed(struct paths *paths, uint8_t path, uint8_t count, int64_t now_ns)
{
	CHECK(path < count && count <= LINKS_MAX);
	paths->bad_ns[path] = MAX_OF(now_ns, 1);
	paths->failures++;
	if (paths->failures < count)
		return;
	/* Each was tried: begin anew with the order of the configuration. */
	*paths = (struct paths){ 0 };
}

void paths_on_ended(struct paths *paths, uint8_t path, bool is_bad, int64_t now_ns)
{
	CHECK(path < LINKS_MAX);
	paths->failures = 0;
	if (is_bad)
		paths->bad_ns[path] = MAX_OF(now_ns, 1);
}
