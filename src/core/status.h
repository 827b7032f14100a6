#ifndef EVENKEEL_CORE_STATUS_H
#define EVENKEEL_CORE_STATUS_H

#include "core/instance.h"

void status_fill(
	const struct core *core, const struct instance *instance, struct status *out_status);

#endif
