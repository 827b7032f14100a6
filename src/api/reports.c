#include "api/reports.h"

#include <string.h>

static void remove_at(struct reports *reports, int index)
{
	CHECK(index >= 0 && index < reports->count);
	reports->count--;
	memmove(reports->list + index, reports->list + index + 1,
		(size_t)(reports->count - index) * sizeof(reports->list[0]));
}

/* The oldest of the kind; -1: there is none. */
static int find(const struct reports *reports, enum fs_report kind, int from)
{
	for (int i = from; i < reports->count; i++)
		if (reports->list[i].report == kind)
			return i;
	return -1;
}

/* The oldest that says nothing which a later one does not say. */
static int find_repeated(const struct reports *reports)
{
	for (int i = 0; i < reports->count; i++)
		if (find(reports, reports->list[i].report, i + 1) >= 0)
			return i;
	return -1;
}

static void make_room(struct reports *reports)
{
	int notice = find(reports, FS_REPORT_NOTICE, 0);

	remove_at(reports, notice >= 0 ? notice : find_repeated(reports));
}

void reports_keep(struct reports *reports, const struct fs_reported *report)
{
	if (report->report == FS_REPORT_RESYNC_PROGRESS)
		reports_forget(reports, FS_REPORT_RESYNC_PROGRESS);
	if (reports->count == REPORTS_MAX)
		make_room(reports);
	reports->list[reports->count++] = *report;
}

void reports_shift(struct reports *reports)
{
	remove_at(reports, 0);
}

void reports_forget(struct reports *reports, enum fs_report kind)
{
	for (int i; (i = find(reports, kind, 0)) >= 0;)
		remove_at(reports, i);
}
