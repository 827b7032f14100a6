/* For test programs only: see planted.h. */
#include "platform/planted.h"

#include <stdlib.h>

bool planted_is(int bug)
{
	const char *text = getenv("EVENKEEL_PLANTED");

	return text != NULL && strtol(text, NULL, 10) == bug;
}
