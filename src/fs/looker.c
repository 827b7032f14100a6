/*
 * What evenkeel-fs sees when evenkeeld asks: its mounts, and whether the disk below each directory answers
 * (R23). The disks are tried by a thread of their own, one directory after the other, once for each
 * question: one that hangs leaves its try open, and that is the answer.
 */
#include <pthread.h>

#include "fs/service.h"
#include "fs/tree/byhand.h"
#include "platform/clock.h"
#include "platform/disk.h"

void looker_init(struct looker *looker)
{
	lock_init(&looker->lock, RANK_LOOKER);
	condition_init(&looker->asked);
	looker->at = -1;
	for (int i = 0; i < ROOTS_MAX; i++)
		looker->roots[i].file = -1;
}

static void try_root(struct service *service, int index)
{
	struct looker *looker = &service->looker;

	lock_take(&looker->lock);
	looker->at = index;
	looker->since_ns = clock_boot_ns();
	lock_give(&looker->lock);
	int error = disk_try(service->front.mounts[index].root_fd, &looker->roots[index].file);
	lock_take(&looker->lock);
	looker->at = -1;
	looker->roots[index].tries++;
	looker->roots[index].took_ns = clock_boot_ns() - looker->since_ns;
	looker->roots[index].error = error;
	lock_give(&looker->lock);
}

/*
 * Our mount was taken away, or its connection ended, and nobody ordered that: the application goes on in
 * the plain folder. What it writes there since the last look did not come through us (R13).
 */
void looker_look_at_cover(struct service *service)
{
	bool was_going = atomic_load(&service->is_unmounting);
	bool is_open = front_lies_open(&service->front);

	if (was_going || atomic_load(&service->is_unmounting))
		return;
	int64_t now_ns = is_open ? 0 : byhand_now_ns();
	int64_t covered_ns = atomic_exchange(&service->looker.covered_ns, now_ns);
	if (is_open && covered_ns != 0)
		replicator_lie_open(service->replicator, covered_ns);
}

static void *looker_run(void *context)
{
	struct service *service = context;
	struct looker *looker = &service->looker;

	for (;;) { /* as long as the process */
		lock_take(&looker->lock);
		while (!looker->is_asked)
			condition_wait(&looker->asked, &looker->lock);
		looker->is_asked = false;
		lock_give(&looker->lock);
		looker_look_at_cover(service);
		for (int i = 0; i < service->front.mount_count; i++)
			try_root(service, i);
	}
	return NULL;
}

/* Under the lock. Without a thread nothing is tried, and nothing is said of the disk. */
static void start(struct service *service)
{
	pthread_t thread;

	if (service->looker.is_running || pthread_create(&thread, NULL, looker_run, service) != 0)
		return;
	(void)pthread_detach(thread);
	service->looker.is_running = true;
}

void looker_answer(struct service *service)
{
	struct looker *looker = &service->looker;

	for (int i = 0; i < service->front.mount_count; i++) {
		struct control_message message = { .type = CONTROL_LOOKED };
		struct fs_looked *looked = &message.looked;
		looked->root = (uint32_t)i;
		looked->root_count = (uint32_t)service->front.mount_count;
		looked->device = front_device(&service->front, i);
		looked->is_connected = front_is_connected(&service->front, i);
		lock_take(&looker->lock);
		looked->tries = looker->roots[i].tries;
		looked->took_ns = (uint64_t)looker->roots[i].took_ns;
		looked->error = looker->roots[i].error;
		if (looker->at == i)
			looked->pending_ns = (uint64_t)(clock_boot_ns() - looker->since_ns) + 1;
		lock_give(&looker->lock);
		service_tell(service, &message);
	}
	lock_take(&looker->lock);
	start(service);
	looker->is_asked = true;
	condition_wake_one(&looker->asked);
	lock_give(&looker->lock);
}
