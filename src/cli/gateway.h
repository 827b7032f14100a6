/* The default gateway of this machine, from the kernel's tables. */
#ifndef EVENKEEL_CLI_GATEWAY_H
#define EVENKEEL_CLI_GATEWAY_H

#include <stdbool.h>
#include <stdio.h>

#include "base/address.h"

/* That of the family if there is one, else of the other. A link-local one does not count: it means
 * something else on every link. Gives false if there is none. */
bool gateway_find(enum address_family family, struct address *out_gateway);
/* The same from one table, in the kernel's form, of that family: for tests. */
bool gateway_find_in(FILE *table, enum address_family family, struct address *out_gateway);

#endif
