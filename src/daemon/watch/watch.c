#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "daemon/addresses/addresses.h"
#include "daemon/checks/checks.h"
#include "daemon/guests/guests.h"
#include "daemon/watch/internal.h"
#include "platform/clock.h"
#include "platform/disk.h"
#include "platform/mounts.h"

_Static_assert(SIGHT_FRESH_NS > LATE_AFTER * LOOK_GAP_NS, "what was just seen is fresh");

struct daemon_watch {
	struct daemon *daemon;
	struct timer look;
	int mounts_fd; /* /proc/self/mountinfo: tells when it changes */
	struct watch mounts_watch;
	struct mount_table mounts;
	bool has_mounts;
	struct watched_state *state;
};

struct module_watch {
	struct module *module;
	struct asking fs;
	int64_t spoke_ns; /* when it answered last, this one or its predecessor */
	uint32_t asked;	  /* questions so far */
	struct watched_root roots[ROOTS_MAX];
	enum finding mount; /* as the core was told last */
	char detail[FS_DETAIL_MAX];
};

/* ---- what was seen ---- */

static enum finding worse(enum finding a, enum finding b)
{
	return MAX_OF(a, b);
}

_Static_assert(
	FINDING_NONE < FINDING_GOOD && FINDING_GOOD < FINDING_LATE && FINDING_LATE < FINDING_BAD,
	"the worst of several is the highest");

/* Where our mount lies and is reached, as a number: paths are long. 0: nowhere. */
static uint32_t place_of(const struct daemon_watch *watch, uint64_t device)
{
	for (size_t i = 0; i < watch->mounts.count; i++) {
		const struct mount_row *row = &watch->mounts.rows[i];
		if (row->device == (dev_t)device && strcmp(row->type, MOUNTS_OURS) == 0 &&
			mount_table_find(&watch->mounts, row->path) == row)
			return crc32c(row->path, strlen(row->path)) | 1;
	}
	return 0;
}

static void read_mounts(struct daemon_watch *watch)
{
	watch->has_mounts = mount_table_read(&watch->mounts, watch->mounts_fd) == 0;
}

static bool is_in_place(struct daemon_watch *watch, struct watched_root *root)
{
	uint32_t place = place_of(watch, root->looked.device);

	if (place == 0 || (root->place != 0 && place != root->place)) {
		read_mounts(watch); /* it may know more of it than has come here */
		place = place_of(watch, root->looked.device);
	}
	if (root->place == 0)
		root->place = place;
	return place != 0 && place == root->place;
}

static enum finding look_at_mount(struct module_watch *seen, int index)
{
	struct daemon_watch *watch = seen->module->daemon->watch;
	struct watched_root *root = &seen->roots[index];

	if (!root->is_known || root->looked.device == 0 || !watch->has_mounts)
		return FINDING_NONE;
	if (root->looked.is_connected && is_in_place(watch, root))
		return FINDING_GOOD;
	(void)snprintf(seen->detail, sizeof(seen->detail), "%s",
		seen->module->settings.directories[index]);
	return FINDING_BAD;
}

static enum finding look_at_mounts(struct module_watch *seen)
{
	enum finding finding = FINDING_NONE;

	if (!fs_is_mounted(seen->module))
		return FINDING_NONE;
	for (int i = 0; i < seen->module->settings.directory_count; i++)
		finding = worse(finding, look_at_mount(seen, i));
	return finding;
}

static struct sight look_at_disk(struct module_watch *seen, int index, int64_t now_ns)
{
	const struct watched_root *root = &seen->roots[index];
	struct sight sight = root_sight(root, now_ns, seen->module->settings.disk_timeout_ns);

	if (sight.finding == FINDING_GOOD && disk_is_broken(root->looked.error)) {
		sight.finding = FINDING_BAD;
		(void)snprintf(seen->detail, sizeof(seen->detail), "%.80s: %s",
			seen->module->settings.directories[index], strerror(-root->looked.error));
	}
	return sight;
}

static struct sight look_at_disks(struct module_watch *seen, int64_t now_ns)
{
	struct sight worst = { 0 };

	for (int i = 0; i < seen->module->settings.directory_count; i++) {
		struct sight sight = look_at_disk(seen, i, now_ns);
		bool is_worse = sight.finding > worst.finding ||
				(sight.finding == worst.finding && sight.took_ns > worst.took_ns);
		if (is_worse)
			worst = sight;
	}
	return worst;
}

static void tell(struct module_watch *seen)
{
	struct module *module = seen->module;
	int64_t now_ns = clock_boot_ns(), limit_ns = module->settings.disk_timeout_ns;
	struct event event = { .type = EVENT_OBSERVED, .module = module->settings.number };
	struct sight *of = event.observed.sights.of;

	if (!module->is_added)
		return;
	seen->detail[0] = '\0';
	of[LOOK_ADDRESS].finding = addresses_look(module);
	of[LOOK_CHECKS].finding = checks_look(module);
	of[LOOK_STATE] = state_sight(module->daemon->watch->state, limit_ns);
	if (fs_is_there(module)) {
		of[LOOK_FS].finding = watch_finding(&seen->fs, now_ns, limit_ns);
		of[LOOK_FS].took_ns = now_ns - seen->fs.answered_ns;
		of[LOOK_MOUNT].finding = seen->mount = look_at_mounts(seen);
		if (of[LOOK_FS].finding == FINDING_GOOD)
			of[LOOK_DISK] = look_at_disks(seen, now_ns);
	}
	(void)snprintf(event.observed.detail, sizeof(event.observed.detail), "%s", seen->detail);
	daemon_post(module->daemon, &event);
}

/* ---- asking ---- */

static void ask(struct module_watch *seen)
{
	int64_t now_ns = clock_boot_ns();

	if (!fs_is_there(seen->module)) {
		seen->fs = (struct asking){ .answered_ns = now_ns };
		return;
	}
	seen->fs.unanswered++;
	for (int i = 0; i < seen->module->settings.directory_count; i++)
		seen->roots[i].disk.unanswered++;
	fs_look(seen->module, ++seen->asked);
}

static void on_look(void *owner)
{
	struct daemon_watch *watch = owner;
	struct daemon *daemon = watch->daemon;

	loop_arm(&daemon->loop, &watch->look, clock_boot_ns() + LOOK_GAP_NS);
	/* What the last questions led to, then the next ones. */
	for (int i = 0; i < daemon->module_count; i++)
		tell(daemon->modules[i]->watch);
	for (int i = 0; i < daemon->module_count; i++)
		ask(daemon->modules[i]->watch);
	state_ask(watch->state);
}

void watch_looked(struct module *module, const struct fs_looked *looked)
{
	struct module_watch *seen = module->watch;
	int64_t now_ns = clock_boot_ns();

	if (seen == NULL || looked->root >= ROOTS_MAX)
		return;
	seen->fs = (struct asking){ .answered_ns = now_ns };
	seen->spoke_ns = now_ns;
	root_hear(&seen->roots[looked->root], looked, now_ns);
	/* Of the others nothing is new: a change of the list of mounts is looked at when it comes. */
	if (seen->mount != FINDING_BAD && looked->root < module->settings.directory_count &&
		fs_is_mounted(module) && look_at_mount(seen, (int)looked->root) == FINDING_BAD)
		tell(seen);
}

void watch_fs_changed(struct module *module)
{
	struct module_watch *seen = module->watch;
	int64_t now_ns = clock_boot_ns();

	if (seen == NULL)
		return;
	*seen = (struct module_watch){ .module = module, .fs.answered_ns = now_ns };
	for (int i = 0; i < ROOTS_MAX; i++)
		root_begin(&seen->roots[i], now_ns);
}

void watch_fs_succeeded(struct module *module)
{
	struct module_watch *seen = module->watch;

	if (seen == NULL)
		return;
	for (int i = 0; i < ROOTS_MAX; i++)
		root_continue(&seen->roots[i], seen->spoke_ns);
	seen->fs = (struct asking){ .answered_ns = clock_boot_ns() };
	seen->mount = FINDING_NONE;
}

/* ---- the kernel's list of mounts ---- */

static void on_mounts_changed(void *owner, uint32_t events)
{
	struct daemon_watch *watch = owner;
	struct daemon *daemon = watch->daemon;

	(void)events;
	read_mounts(watch);
	for (int i = 0; i < daemon->module_count; i++) {
		struct module_watch *seen = daemon->modules[i]->watch;
		if (look_at_mounts(seen) != seen->mount)
			tell(seen);
	}
}

static int open_mounts(struct daemon_watch *watch)
{
	watch->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (watch->mounts_fd < 0)
		return -errno;
	watch->mounts_watch = (struct watch){
		.fd = watch->mounts_fd, .owner = watch, .on_ready = on_mounts_changed
	};
	read_mounts(watch);
	return loop_add(&watch->daemon->loop, &watch->mounts_watch, EPOLLPRI);
}

/* ---- the wing, and modules, come and go ---- */

int watch_open(struct daemon *daemon)
{
	struct daemon_watch *watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return -ENOMEM;
	daemon->watch = watch;
	watch->daemon = daemon;
	watch->mounts_fd = -1;
	watch->look = (struct timer){ .owner = watch, .on_due = on_look };
	int error = open_mounts(watch);
	if (error == 0)
		error = state_open(daemon, &watch->state);
	if (error == 0)
		loop_arm(&daemon->loop, &watch->look, clock_boot_ns());
	return error;
}

void watch_close(struct daemon *daemon)
{
	struct daemon_watch *watch = daemon->watch;

	if (watch == NULL)
		return;
	loop_disarm(&daemon->loop, &watch->look);
	loop_remove(&daemon->loop, &watch->mounts_watch);
	if (watch->mounts_fd >= 0)
		(void)close(watch->mounts_fd);
	state_close(watch->state);
	mount_table_done(&watch->mounts);
	free(watch);
	daemon->watch = NULL;
}

int watch_add(struct module *module)
{
	module->watch = calloc(1, sizeof(*module->watch));
	if (module->watch == NULL)
		return -ENOMEM;
	watch_fs_changed(module);
	return 0;
}

void watch_remove(struct module *module)
{
	free(module->watch);
	module->watch = NULL;
}
