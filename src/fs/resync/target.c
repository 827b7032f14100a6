/*
 * The target of a resynchronisation: makes its tree follow what the source lists and binds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "fs/resync/resync.h"
#include "fs/tree/byhand.h"
#include "fs/tree/idmap.h"
#include "fs/tree/resync.h"
#include "platform/planted.h"
#include "repl/resync_entry.h"
#include "repl/resync_place.h"

struct resync_target {
	struct resync_site site;
	struct resync_listing listing;
	struct idmap names;	 /* hashes of the names that the list has brought so far */
	char why[FS_DETAIL_MAX]; /* the last operation failed; empty: its error says all */
};

static uint64_t hash_name(struct bytes name)
{
	uint64_t hash = XXH3_64bits(name.data, name.size);
	return hash == 0 ? 1 : hash;
}

struct resync_target *resync_target_new(const struct resync_site *site)
{
	struct resync_target *target = calloc(1, sizeof(*target));
	if (target != NULL)
		target->site = *site;
	return target;
}

void resync_target_free(struct resync_target *target)
{
	if (target == NULL)
		return;
	idmap_done(&target->names);
	free(target);
}

/* ---- what was changed by hand ---- */

static void goes_on(void *context)
{
	const struct resync_target *target = context;
	host_goes_on(target->site.host);
}

static struct byhand_work work_of(struct resync_target *target)
{
	return (struct byhand_work){ .context = target, .goes_on = goes_on };
}

static int find_by_hand(struct resync_target *target)
{
	const struct byhand_work work = work_of(target);
	int error = byhand_find(target->site.tree, &work);
	if (error != 0)
		(void)snprintf(target->why, sizeof(target->why),
			"what was changed here by hand cannot be looked for or kept: %s",
			strerror(-error));
	return error;
}

int resync_target_before(struct resync_target *target, const struct op *op)
{
	const struct byhand_work work = work_of(target);
	return byhand_before(target->site.tree, op, &work, target->why, sizeof(target->why));
}

void resync_say_by_hand(struct replicator *host, const struct byhand_account *account)
{
	char sentence[FS_DETAIL_MAX];
	if (account->kept > 0)
		(void)snprintf(sentence, sizeof(sentence),
			"%llu written here by hand and not on the primary, kept in "
			".evenkeel/kept/%s: "
			"%s",
			(unsigned long long)account->kept, account->folder, account->names);
	else
		(void)snprintf(sentence, sizeof(sentence),
			"%llu files were touched here by hand; owner, mode and times are the "
			"primary's again",
			(unsigned long long)account->touched);
	if (account->kept + account->touched > 0)
		host_say_notice(host, sentence);
}

const char *resync_target_why(const struct resync_target *target)
{
	return target->why;
}

/* ---- begin ---- */

static void say_kept(struct resync_target *target, const char *kept)
{
	char sentence[FS_DETAIL_MAX];
	(void)snprintf(sentence, sizeof(sentence), "the old tree is kept in %s", kept);
	host_say_notice(target->site.host, sentence);
}

static int begin(struct resync_target *target, const struct op *op)
{
	struct tree *tree = target->site.tree;
	char kept[PATH_SIZE_MAX] = "";
	idmap_done(&target->names);
	resync_listing_end(&target->listing);
	byhand_end(tree);
	/* First: what is emptied next may be among it. A tree set aside has all of it. */
	int error = op->mask == RESYNC_SET_ASIDE ? 0 : find_by_hand(target);
	if (error == 0)
		error = tree_empty_limbo(tree); /* of an attempt that was cut off */
	if (error == 0)
		error = tree_purge_orphans(tree); /* their users are elsewhere */
	if (error == 0 && op->mask == RESYNC_SET_ASIDE)
		error = tree_set_aside(tree, kept, sizeof(kept));
	if (error == 0 && op->mask == RESYNC_SET_ASIDE)
		error = byhand_forget(tree);
	if (error == 0 && op->mask == RESYNC_SET_ASIDE)
		error = host_void_roots(target->site.host);
	if (error == 0 && kept[0] != '\0')
		say_kept(target, kept);
	/* Cut off from here on, the next attempt goes on with what this one has brought. */
	if (error == 0 && op->mask == RESYNC_SET_ASIDE)
		host_say_progress(target->site.host, 0, 0);
	return error;
}

/* ---- list ---- */

/* What lies at the name, if it is of a type that can be adopted. */
static void look_at(struct tree *tree, uint64_t parent, const struct resync_entry *entry,
	struct resync_there *there)
{
	uint32_t type = entry->attributes.mode & S_IFMT;
	char name[OBJECT_NAME_MAX + 1];
	struct stat st;
	int fd = -1;
	if (tree_open_object(tree, parent, O_RDONLY | O_DIRECTORY, &fd) != 0)
		return;
	memcpy(name, entry->name.data, entry->name.size);
	name[entry->name.size] = '\0';
	there->is_name_there = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	close(fd);
	if (!there->is_name_there)
		return;
	there->is_same_type = (st.st_mode & S_IFMT) == type && (type == S_IFREG || type == S_IFDIR);
	bool is_held = byhand_holds(tree, parent, st.st_ino);
	there->is_its_only_name = type == S_IFDIR || st.st_nlink == 1 + (is_held ? 1u : 0u);
}

static int find_there(struct tree *tree, uint64_t parent, const struct resync_entry *entry,
	struct resync_there *out_there)
{
	*out_there = (struct resync_there){ .has_object = tree_has_object(tree, entry->object) };
	if (out_there->has_object)
		return 0;
	int error = tree_identify(tree, parent, entry->name, &out_there->at_name);
	if (error == -ENOENT)
		return 0;
	if (error == 0 && out_there->at_name == 0)
		look_at(tree, parent, entry, out_there);
	return error;
}

static int list_one(struct tree *tree, uint64_t parent, const struct resync_entry *entry)
{
	struct resync_there there;
	int error = find_there(tree, parent, entry, &there);
	if (error != 0)
		return error;
	switch (resync_arrive(&there)) {
	case RESYNC_ARRIVAL_ADOPT: return tree_adopt(tree, parent, entry->name, entry->object);
	case RESYNC_ARRIVAL_MAKE:
		error = tree_create_placeholder(
			tree, entry->object, parent, &entry->attributes, entry->link);
		break;
	case RESYNC_ARRIVAL_BIND: break;
	}
	return error != 0 ? error : tree_bind(tree, entry->object, parent, entry->name);
}

/* Errors: -ENOMEM. */
static int note_name(struct resync_target *target, struct bytes name)
{
	return idmap_put(&target->names, hash_name(name), NULL);
}

static void expect_list(struct resync_target *target, const struct op *op)
{
	if (resync_listing_expect(&target->listing, op))
		idmap_done(&target->names);
}

static int list(struct resync_target *target, const struct op *op)
{
	struct buf_reader reader = buf_reader_init(op->data.data, op->data.size);
	expect_list(target, op);
	while (reader.position < reader.size) {
		struct resync_entry entry;
		int error = resync_entry_get(&reader, &entry);
		if (error == 0 && entry.object != 0)
			error = list_one(target->site.tree, op->object, &entry);
		if (error == 0)
			error = note_name(target, entry.name);
		if (error != 0)
			return error;
	}
	return 0;
}

/* ---- list end ---- */

/* Names to be taken away are noted first: a directory is not changed while it is read. */
struct name_list {
	char *data; /* each terminated */
	size_t size, size_max;
};

static int add_name(struct name_list *names, struct bytes name)
{
	if (names->size + name.size + 1 > names->size_max) {
		size_t size_max = (names->size + name.size + 1) * 2;
		char *data = realloc(names->data, size_max);
		if (data == NULL)
			return -ENOMEM;
		names->data = data;
		names->size_max = size_max;
	}
	CHECK(names->data != NULL); /* a name has at least its terminator */
	memcpy(names->data + names->size, name.data, name.size);
	names->data[names->size + name.size] = '\0';
	names->size += name.size + 1;
	return 0;
}

static int collect_unlisted(struct resync_target *target, uint64_t object, struct name_list *names)
{
	struct tree_directory *directory = NULL;
	struct tree_name name;
	int error = tree_directory_open(target->site.tree, object, &directory);
	if (error != 0)
		return error;
	while ((error = tree_directory_next(directory, &name)) == 1) {
		if (idmap_has(&target->names, hash_name(name.name)))
			continue;
		error = add_name(names, name.name);
		if (error != 0)
			break;
	}
	tree_directory_close(directory);
	return error;
}

static int list_end(struct resync_target *target, const struct op *op)
{
	struct name_list names = { 0 };
	expect_list(target, op);
	int error = collect_unlisted(target, op->object, &names);
	for (size_t at = 0; error == 0 && at < names.size;) {
		struct bytes name = { .data = (const uint8_t *)names.data + at,
			.size = strlen(names.data + at) };
		error = tree_unbind(target->site.tree, op->object, name);
		at += name.size + 1;
	}
	free(names.data);
	idmap_done(&target->names);
	resync_listing_end(&target->listing);
	return error;
}

/* ---- metadata ---- */

static int metadata(struct tree *tree, const struct op *op)
{
	const uint32_t times = ATTRIBUTE_ATIME | ATTRIBUTE_MTIME;
	struct buf_reader reader = buf_reader_init(op->data.data, op->data.size);
	struct bytes link = buf_get_bytes(&reader, OBJECT_LINK_MAX);
	struct bytes xattrs = { .data = op->data.data + reader.position,
		.size = op->data.size - reader.position };
	if (reader.is_overrun)
		return -EBADMSG;
	int error = 0;
	if (!tree_has_object(tree, op->object))
		error = tree_create_placeholder(
			tree, op->object, op->parent, &op->attributes, link);
	if (error == 0)
		error = tree_set_attributes(tree, op->object,
			op->mask & ~(times | ATTRIBUTE_PROTECTION), &op->attributes);
	if (error == 0 && (op->flags & OP_FLAG_NO_XATTRS) == 0)
		error = tree_xattrs_apply(tree, op->object, xattrs);
	if (error == 0 && (op->mask & times) != 0)
		error = tree_set_attributes(tree, op->object, op->mask & times, &op->attributes);
	if (error == 0 && (op->mask & ATTRIBUTE_PROTECTION) != 0)
		error = tree_protect(tree, op->object, (uint32_t)op->length);
	return error;
}

/* What is left of an operation that was taken apart; the directory's time comes with it. */
static int change_name(struct resync_target *target, const struct op *op)
{
	struct tree *tree = target->site.tree;
	const struct attributes times = { .mtime_ns = op->parent_mtime_ns };
	int error = op->type == OP_BIND ? tree_bind(tree, op->object, op->parent, op->name)
					: tree_unbind(tree, op->parent, op->name);
	if (error == 0 && resync_listing_gains(&target->listing, op))
		error = note_name(target, op->name);
	if (error == 0 && op->parent_mtime_ns != 0)
		error = tree_set_attributes(tree, op->parent, ATTRIBUTE_MTIME, &times);
	return error;
}

int resync_target_apply(struct resync_target *target, const struct op *op)
{
	struct tree *tree = target->site.tree;
	switch (op->type) {
	case OP_RESYNC_BEGIN: return begin(target, op);
	case OP_LIST: return list(target, op);
	case OP_LIST_END: return list_end(target, op);
	case OP_BIND:
	case OP_UNBIND: return change_name(target, op);
	case OP_METADATA: return metadata(tree, op);
	default: break; /* EXCEPTION: all others are the applier's own */
	}
	return -EINVAL;
}

void resync_target_end(struct resync_target *target)
{
	byhand_end(target->site.tree);
}

int resync_target_finish(struct resync_target *target)
{
	struct byhand_account account;
	struct tree *tree = target->site.tree;
	if (IS_PLANTED(PLANTED_COPY_UNSYNCED))
		return tree_empty_limbo(tree);
	int error = tree_sync(tree); /* what was bound lies elsewhere, durably, before limbo goes */
	if (error == 0)
		error = tree_empty_limbo(tree);
	if (error == 0)
		error = byhand_settle(tree, &account);
	if (error == 0)
		error = tree_sync(tree);
	if (error == 0)
		resync_say_by_hand(target->site.host, &account);
	return error;
}
