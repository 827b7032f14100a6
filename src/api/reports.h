/*
 * What evenkeel-fs has to report while nobody hears it: kept in order, within bounds. Progress is a
 * level, of which the last one counts; what a person should read goes before what decides; of what decides
 * the last of each kind is never dropped. Not for: sending (api/control.h). Under the owner's lock.
 */
#ifndef EVENKEEL_API_REPORTS_H
#define EVENKEEL_API_REPORTS_H

#include "core/fs.h"

#define REPORTS_MAX 64

struct reports { /* zero: none */
	struct fs_reported list[REPORTS_MAX];
	int count;
};

_Static_assert(REPORTS_MAX > FS_REPORT_COUNT, "of a full list one kind is there twice");

void reports_keep(struct reports *reports, const struct fs_reported *report);
/* The first one is told. */
void reports_shift(struct reports *reports);
/* All of this kind. */
void reports_forget(struct reports *reports, enum fs_report kind);

#endif
