/*
 * The order of dependent operations inside one node: striped locks over object ids.
 *
 * An operation is done here, given its sequence and put into the log while the locks of all objects
 * it touches are held, so operations that depend on each other get sequences in the order in which
 * they happened; others run side by side. Renaming a directory takes everything. Stripes are taken
 * by rising index; what is taken beside them stands in docs/threads.md. Not for: locks of
 * applications, those are the kernel's.
 */
#ifndef EVENKEEL_FS_ORDER_H
#define EVENKEEL_FS_ORDER_H

#include <stdint.h>

struct order;

struct order *order_new(void);
void order_free(struct order *order);

/* Up to four objects; 0 is ignored, doubles are fine. order_lock_all() shuts everybody else out. */
struct order_objects {
	uint64_t ids[4];
};
void order_lock(struct order *order, const struct order_objects *objects);
void order_unlock(struct order *order, const struct order_objects *objects);
void order_lock_all(struct order *order);
void order_unlock_all(struct order *order);

#endif
