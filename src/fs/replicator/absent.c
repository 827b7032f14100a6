#include "fs/replicator/absent.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/macros.h"

#define ABSENT_MAGIC UINT64_C(0x45564b4c41425331) /* EVKLABS1 */

/* What is forgotten for want of memory costs the peer, as absent.h says, and nothing else. */
static void remember(struct absent *absent, uint64_t object)
{
	(void)!idmap_put(&absent->ids, object, NULL);
}

void absent_open(struct absent *absent, void *memory)
{
	struct absent_table *table = memory;

	*absent = (struct absent){ .table = table };
	if (table->magic != ABSENT_MAGIC || table->count > ABSENT_MAX) {
		absent_clear(absent);
		return;
	}
	for (uint64_t i = 0; i < table->count; i++)
		if (table->ids[i] != 0) /* may stand there twice */
			remember(absent, table->ids[i]);
}

void absent_close(struct absent *absent)
{
	idmap_done(&absent->ids);
	absent->table = NULL;
}

void absent_clear(struct absent *absent)
{
	idmap_done(&absent->ids);
	absent->table->count = 0;
	absent->table->magic = ABSENT_MAGIC;
}

/* SIGKILL may come between any two stores: an id is complete before it counts. */
void absent_add(struct absent *absent, uint64_t object)
{
	struct absent_table *table = absent->table;

	if (idmap_has(&absent->ids, object))
		return;
	remember(absent, object);
	if (table->count >= ABSENT_MAX)
		return;
	table->ids[table->count] = object;
	atomic_signal_fence(memory_order_seq_cst);
	table->count++;
}

void absent_remove(struct absent *absent, uint64_t object)
{
	struct absent_table *table = absent->table;

	if (!idmap_has(&absent->ids, object))
		return;
	idmap_remove(&absent->ids, object);
	for (uint64_t i = table->count; i > 0; i--) {
		if (table->ids[i - 1] != object)
			continue;
		table->ids[i - 1] = table->ids[table->count - 1];
		atomic_signal_fence(memory_order_seq_cst);
		table->count--;
	}
}

bool absent_has(const struct absent *absent, uint64_t object)
{
	return idmap_has(&absent->ids, object);
}
