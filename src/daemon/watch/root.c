#include "daemon/watch/root.h"

#include <errno.h>

enum finding watch_finding(const struct asking *asking, int64_t now_ns, int64_t limit_ns)
{
	if (asking->unanswered < LATE_AFTER)
		return FINDING_GOOD;
	bool is_over = now_ns - asking->answered_ns >= limit_ns &&
		       (int64_t)asking->unanswered * LOOK_GAP_NS >= limit_ns;
	return is_over ? FINDING_BAD : FINDING_LATE;
}

void root_begin(struct watched_root *root, int64_t now_ns)
{
	*root = (struct watched_root){ .disk.answered_ns = now_ns };
}

void root_continue(struct watched_root *root, int64_t spoke_ns)
{
	int64_t since_ns = root->hung_since_ns;

	if (since_ns == 0 && root->looked.pending_ns != 0)
		since_ns = spoke_ns - (int64_t)root->looked.pending_ns;
	*root = (struct watched_root){ .disk = root->disk, .hung_since_ns = since_ns };
}

/* As long as it says something new of the disk, that one answers. A successor has nothing to say before
 * its first try has ended. */
void root_hear(struct watched_root *root, const struct fs_looked *looked, int64_t now_ns)
{
	bool is_first = !root->is_known && root->hung_since_ns == 0;

	if (is_first || looked->tries != root->looked.tries) {
		root->disk = (struct asking){ .answered_ns = now_ns };
		root->hung_since_ns = 0;
	}
	root->looked = *looked;
	root->is_known = true;
}

struct sight root_sight(const struct watched_root *root, int64_t now_ns, int64_t limit_ns)
{
	struct sight sight = { .took_ns = (int64_t)root->looked.took_ns };

	if (!root->is_known || (root->looked.tries == 0 && root->disk.unanswered < LATE_AFTER) ||
		root->looked.error == -EOPNOTSUPP)
		return (struct sight){ 0 };
	sight.finding = watch_finding(&root->disk, now_ns, limit_ns);
	if (sight.finding == FINDING_GOOD)
		return sight;
	sight.took_ns = (int64_t)root->looked.pending_ns;
	if (sight.took_ns != 0 && root->hung_since_ns != 0)
		sight.took_ns = now_ns - root->hung_since_ns;
	sight.took_ns = MAX_OF(sight.took_ns, 1);
	if (sight.finding == FINDING_BAD && sight.took_ns < limit_ns)
		sight.finding = FINDING_LATE;
	return sight;
}
