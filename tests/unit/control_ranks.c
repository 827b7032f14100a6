/*
 * Two locks taken in falling rank: the negative control of the ranks. Its test passes only where the
 * second lock stops the process (a build with checked_locks or a sanitizer, see platform/lock.h).
 */
#include "platform/lock.h"

int main(void)
{
	struct lock outer, inner;
	lock_init(&outer, RANK_REPLICATOR);
	lock_init(&inner, RANK_LEAF);
	lock_take(&inner);
	lock_take(&outer);
	lock_give(&outer);
	lock_give(&inner);
	return 0;
}
