/*
 * What serving and taking over rest on is looked at from outside, every second and at each change (R23):
 *
 *	mount		the kernel's list of mounts has this module's evenkeel-fs on top of each directory
 *	evenkeel-fs	it answers a question over control.sock
 *	disk		and says how the disk below each directory answered it
 *	state disk	a thread writes to the state folder
 *	address, checks	as their wings know them
 *
 * The core is told what was seen, and decides what it means. Nothing here waits for a disk. What does not
 * answer counts as stuck when disk_timeout has passed *and* so many questions were asked in vain: a
 * machine that stood still itself has asked none.
 *
 * The daemon's thread only.
 */
#ifndef EVENKEEL_DAEMON_WATCH_H
#define EVENKEEL_DAEMON_WATCH_H

#include "daemon/daemon.h"

int watch_open(struct daemon *daemon) MUST_CHECK;
void watch_close(struct daemon *daemon);
int watch_add(struct module *module) MUST_CHECK;
void watch_remove(struct module *module);
/* Its evenkeel-fs has answered for one directory. */
void watch_looked(struct module *module, const struct fs_looked *looked);
/* What it serves has changed: what was seen of it before says nothing any more. */
void watch_fs_changed(struct module *module);
/* Its evenkeel-fs died, and a successor goes on in the same role: the disks are the same. */
void watch_fs_succeeded(struct module *module);

#endif
