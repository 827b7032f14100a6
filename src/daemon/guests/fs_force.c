/*
 * The end of the ladder (R10), for an evenkeel-fs that does not release its directories itself: it
 * hangs, or is stopped, or the disk underneath does not answer. Its connection to the kernel is ended,
 * so that every request fails, its mounts are taken away by device, and it is killed; its successor
 * finds nothing mounted and says so. One that has unmounted and is still at work is left in peace.
 *
 *	STOP ordered --FS_RELEASE_LIMIT_NS, and still mounted--> taken away, killed; again after as long
 *
 * Nothing here asks the file system that is mounted, or a disk: the kernel names places from memory.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/guests/internal.h"
#include "daemon/hold.h"
#include "platform/clock.h"
#include "platform/mounts.h"

/* Where a root lies, by what its evenkeel-fs left with hold: not by a path that leads into the mount. */
static bool find_device(const struct handed_fd *kept, dev_t *out_device)
{
	char link[64], place[PATH_SIZE_MAX];

	if (strncmp(kept->name, "root.", 5) != 0)
		return false;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", kept->fd);
	ssize_t size = readlink(link, place, sizeof(place) - 1);
	if (size <= 0)
		return false;
	place[size] = '\0';
	return mounts_find(place, MOUNTS_OURS, out_device) == 0;
}

/* How many were mounted. */
static int take_away(struct module *module)
{
	struct handed_fd kept[FS_KEPT_MAX];
	int count = hold_list(module, kept, FS_KEPT_MAX), found = 0;
	dev_t device;

	for (int i = 0; i < count; i++) {
		if (!find_device(&kept[i], &device))
			continue;
		found++;
		/* Without the one the other helps as far as it goes. */
		(void)!mounts_abort_fuse(device);
		(void)!mounts_detach(device);
	}
	return found;
}

void fs_force_note(struct module_fs *fs)
{
	struct handed_fd kept[FS_KEPT_MAX];
	int count = hold_list(fs->module, kept, FS_KEPT_MAX);

	for (int i = 0; i < count && fs->given_up_count < ROOTS_MAX; i++)
		if (find_device(&kept[i], &fs->given_up[fs->given_up_count]))
			fs->given_up_count++;
}

void fs_force_take(struct module_fs *fs)
{
	(void)take_away(fs->module);
	for (int i = 0; i < fs->given_up_count; i++)
		(void)!mounts_detach(fs->given_up[i]); /* a successor has done it, perhaps */
	fs->given_up_count = 0;
}

static void on_limit(void *owner)
{
	struct module_fs *fs = owner;
	struct module *module = fs->module;

	loop_arm(&module->daemon->loop, &fs->release_limit, clock_boot_ns() + FS_RELEASE_LIMIT_NS);
	if (take_away(module) == 0)
		return;
	daemon_log(module->daemon, module, SEVERITY_ERROR, "fs.forced",
		"evenkeel-fs has not released the directories within %lld s; whatever it waits for "
		"(look at their disk), its mounts are taken away and it is killed. Whoever still "
		"uses them gets errors.",
		(long long)(FS_RELEASE_LIMIT_NS / NS_PER_S));
	(void)process_kill(&fs->process, SIGKILL); /* it may be gone */
}

void fs_release_now(struct module *module)
{
	struct module_fs *fs = module->fs;

	if (fs == NULL || !fs->is_wanted)
		return;
	(void)take_away(module);
	(void)process_kill(&fs->process, SIGKILL); /* it may be gone */
}

void fs_force_init(struct module_fs *fs)
{
	fs->release_limit = (struct timer){ .owner = fs, .on_due = on_limit };
}

void fs_force_arm(struct module_fs *fs)
{
	struct loop *loop = &fs->module->daemon->loop;

	loop_arm(loop, &fs->release_limit, clock_boot_ns() + FS_RELEASE_LIMIT_NS);
}

void fs_force_disarm(struct module_fs *fs)
{
	loop_disarm(&fs->module->daemon->loop, &fs->release_limit);
}
