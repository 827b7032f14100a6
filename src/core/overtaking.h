/*
 * Actions wait behind a record that is being written, because what they do rests on it. What only
 * gives something up rests on no record: a disk that never answers must not keep an address, an
 * application or answers alive (R10). Such an action overtakes the record and all that waits behind
 * it, and takes back what it undoes of that, which would otherwise come after it.
 *
 * For whoever performs actions: evenkeeld, the simulator, the stories.
 */
#ifndef EVENKEEL_CORE_OVERTAKING_H
#define EVENKEEL_CORE_OVERTAKING_H

#include "core/core.h"

/* It need not wait for a record that was ordered before it. */
bool action_overtakes(const struct action *action);
/*
 * An action that overtakes takes back this one, which waits and was ordered before it: it is not
 * performed any more. Of a script the core is told that it failed, because it waits for its end.
 */
bool action_takes_back(const struct action *action, const struct action *waiting);

#endif
