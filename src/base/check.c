#include "base/macros.h"

/* Where nothing stronger is linked: it stops, and says nothing. */
__attribute__((weak)) void check_failed(const char *place)
{
	(void)place;
	__builtin_trap();
}
