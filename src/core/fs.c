#include "core/fs.h"

static const struct word roles[] = { FS_ROLES(WORD_ROW) };
static const struct word links[] = { FS_LINKS(WORD_ROW) };
static const struct word reports[] = { FS_REPORTS(WORD_ROW) };
static const struct word orders[] = { FS_ORDERS(WORD_ROW) };
static const struct word plans[] = { RESYNC_PLANS(WORD_ROW) };

const struct words fs_role_words = { roles, FS_ROLE_COUNT };
const struct words fs_link_words = { links, FS_LINK_COUNT };
const struct words fs_report_words = { reports, FS_REPORT_COUNT };
const struct words fs_order_words = { orders, FS_ORDER_COUNT };
const struct words resync_plan_words = { plans, RESYNC_PLAN_COUNT };

const char *fs_role_name(enum fs_role role)
{
	return words_name(&fs_role_words, role);
}

const char *fs_link_name(enum fs_link link)
{
	return words_name(&fs_link_words, link);
}

const char *fs_report_name(enum fs_report report)
{
	return words_name(&fs_report_words, report);
}

const char *fs_order_name(enum fs_order order)
{
	return words_name(&fs_order_words, order);
}

enum fs_link fs_link_after(const struct fs_reported *reported, enum fs_link link)
{
	switch (reported->report) {
	case FS_REPORT_CONNECTED:
		if (reported->is_continued)
			return FS_LINK_IN_SYNC;
		return link == FS_LINK_NONE ? FS_LINK_CONNECTED : link;
	case FS_REPORT_RESYNC_PROGRESS: return FS_LINK_RESYNCING;
	case FS_REPORT_TARGET_COMPLETE:
	case FS_REPORT_ADOPTED: return FS_LINK_IN_SYNC;
	case FS_REPORT_IS_PRIMARY:
	case FS_REPORT_IS_SECONDARY:
	case FS_REPORT_IS_STOPPED:
	case FS_REPORT_IS_ALONE:
	case FS_REPORT_PEER_LOST:
	case FS_REPORT_PEER_FAILED: return FS_LINK_NONE;
	case FS_REPORT_LOCAL_FAILED:
	case FS_REPORT_DRAINED:
	case FS_REPORT_DIED:
	case FS_REPORT_REFUSED:
	case FS_REPORT_LOOKED:
	case FS_REPORT_WRONG_COPY:
	case FS_REPORT_OLD_COPY:
	case FS_REPORT_OLD_STATE:
	case FS_REPORT_NOTICE:
	case FS_REPORT_COUNT: break;
	}
	return link;
}
