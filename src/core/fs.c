#include "core/fs.h"

#include "base/macros.h"

#define WORD(constant, name, meaning) [constant] = (name),

const char *const fs_role_names[FS_ROLE_COUNT] = { FS_ROLES(WORD) };
const char *const fs_link_names[FS_LINK_COUNT] = { FS_LINKS(WORD) };
const char *const fs_report_names[FS_REPORT_COUNT] = { FS_REPORTS(WORD) };
const char *const fs_order_names[FS_ORDER_COUNT] = { FS_ORDERS(WORD) };
const char *const resync_plan_names[RESYNC_PLAN_COUNT] = { RESYNC_PLANS(WORD) };

const char *fs_role_name(enum fs_role role)
{
	CHECK(role < FS_ROLE_COUNT);
	return fs_role_names[role];
}

const char *fs_link_name(enum fs_link link)
{
	CHECK(link < FS_LINK_COUNT);
	return fs_link_names[link];
}

const char *fs_report_name(enum fs_report report)
{
	CHECK(report < FS_REPORT_COUNT);
	return fs_report_names[report];
}

const char *fs_order_name(enum fs_order order)
{
	CHECK(order < FS_ORDER_COUNT);
	return fs_order_names[order];
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
	case FS_REPORT_WRONG_COPY:
	case FS_REPORT_NOTICE:
	case FS_REPORT_COUNT: break;
	}
	return link;
}
