/* What the replicator is to a resynchronisation: fs/resync/host.h, and nothing more. */
#include "fs/replicator/inside.h"

struct resync_site replicator_site(struct replicator *r)
{
	return (struct resync_site){ .host = r,
		.tree = r->config.tree,
		.order = r->config.order,
		.root_count = (uint64_t)r->config.module->directory_count,
		.lock = &r->lock,
		.changed = &r->changed };
}

/* ---- under the lock ---- */

bool host_is_open(const struct replicator *r, const struct resync_source *source)
{
	return !r->is_leaving && !r->sender.session.is_broken && !r->sender.session.is_let_go &&
	       r->sender.mode == SENDER_CATCHING_UP && r->resync == source;
}

uint64_t host_append(struct replicator *r, struct op *op)
{
	return replicator_append(r, op);
}

uint64_t host_acked(const struct replicator *r)
{
	return r->sender.acked;
}

void host_pair(struct replicator *r)
{
	replicator_paired(r);
}

void host_break(struct replicator *r)
{
	session_break(&r->sender);
}

void host_note_absent(struct replicator *r, uint64_t object, bool is_absent)
{
	if (is_absent)
		absent_add(&r->absent, object);
	else
		absent_remove(&r->absent, object);
}

/* ---- without the lock ---- */

uint64_t host_id_limit(struct replicator *r)
{
	return replicator_id_limit(r);
}

int host_ensure_ids(struct replicator *r, uint64_t count)
{
	return replicator_ensure_ids(r, count);
}

void host_say_progress(struct replicator *r, uint64_t done, uint64_t total)
{
	const struct fs_reported said = {
		.report = FS_REPORT_RESYNC_PROGRESS, .done = done, .total = total
	};
	replicator_say(r, &said);
}

void host_say_notice(struct replicator *r, const char *sentence)
{
	replicator_say_simple(r, FS_REPORT_NOTICE, 0, sentence);
}

void host_goes_on(struct replicator *r)
{
	applier_goes_on(r->applier);
}

void host_give_up(struct replicator *r, int error, const char *sentence)
{
	replicator_drop_peer(r, LOSS_OVER, error, sentence);
}

int host_void_roots(struct replicator *r)
{
	return replicator_mark_roots(r, 0);
}
