/*
 * Listing directories. Offsets are the cookies of the file system underneath, so they mean the same
 * to a successor, and each request stands for itself.
 */
#include "fs/front/request.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define INO_UNKNOWN UINT32_MAX /* what libfuse says where no number is known */

struct listing {
	struct request *request;
	struct tree_directory *directory;
	bool is_plus;
	size_t size, size_max;
};

void on_opendir(struct request *request)
{
	struct fuse_open_out out = { 0 };

	reply_data(request, &out, sizeof(out));
}

static bool is_dots(struct bytes name)
{
	return name.data[0] == '.' && (name.size == 1 || (name.size == 2 && name.data[1] == '.'));
}

static void put_dirent(uint8_t *out, const struct tree_name *name, uint64_t ino)
{
	struct fuse_dirent dirent = { .ino = ino,
		.off = name->cookie,
		.namelen = (uint32_t)name->name.size,
		.type = name->type };
	size_t end = FUSE_NAME_OFFSET + name->name.size;

	memcpy(out, &dirent, FUSE_NAME_OFFSET);
	memcpy(out + FUSE_NAME_OFFSET, name->name.data, name->name.size);
	memset(out + end, 0, FUSE_DIRENT_ALIGN(end) - end);
}

/* A name that is gone by now is left out; one that cannot be looked up goes without its entry. */
static int put_plus(struct listing *listing, const struct tree_name *name, uint8_t *out)
{
	struct request *request = listing->request;
	struct fuse_entry_out entry_out = { 0 };
	struct tree_entry entry;
	uint64_t ino = INO_UNKNOWN;
	int error = request_lookup(request, request->object, name->name, &entry);

	if (error == -ENOENT)
		return error;
	if (error == 0) {
		fill_entry(request, &entry, &entry_out);
		ino = entry.object;
	}
	memcpy(out, &entry_out, sizeof(entry_out));
	put_dirent(out + sizeof(entry_out), name, ino);
	return 0;
}

static void put_plain(struct listing *listing, const struct tree_name *name, uint8_t *out)
{
	struct tree_entry entry;
	uint64_t ino = tree_directory_identify(listing->directory, name);

	/* Without an id yet: it gets one, or the number would change between list and stat. */
	if (ino == 0 && !is_dots(name->name) &&
		request_lookup(listing->request, listing->request->object, name->name, &entry) == 0)
		ino = entry.object;
	put_dirent(out, name, ino != 0 ? ino : INO_UNKNOWN);
}

static void put_plus_dots(struct listing *listing, const struct tree_name *name, uint8_t *out)
{
	uint64_t ino = tree_directory_identify(listing->directory, name);

	memset(out, 0, sizeof(struct fuse_entry_out)); /* nodeid 0: the kernel knows them */
	put_dirent(out + sizeof(struct fuse_entry_out), name, ino != 0 ? ino : INO_UNKNOWN);
}

/* false: no room for it. */
static bool put(struct listing *listing, const struct tree_name *name)
{
	size_t head = listing->is_plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	size_t size = FUSE_DIRENT_ALIGN(head + name->name.size);
	uint8_t *out = listing->request->scratch + listing->size;

	if (size > listing->size_max - listing->size)
		return false;
	if (!listing->is_plus)
		put_plain(listing, name, out);
	else if (is_dots(name->name))
		put_plus_dots(listing, name, out);
	else if (put_plus(listing, name, out) != 0)
		return true;
	listing->size += size;
	return true;
}

static int list(struct listing *listing, uint64_t cookie)
{
	struct tree_name name;
	int error = 0, has_name = 1;

	if (cookie != 0)
		error = tree_directory_seek(listing->directory, cookie);
	while (error == 0 && (has_name = tree_directory_next(listing->directory, &name)) == 1) {
		if (!put(listing, &name))
			break;
	}
	if (error == 0 && has_name < 0 && listing->size == 0)
		error = has_name;
	return error;
}

static void read_directory(struct request *request, bool is_plus)
{
	struct listing listing = { .request = request, .is_plus = is_plus };
	struct fuse_read_in in;
	bool is_orphan;
	int error = tree_directory_open(request->front->tree, request->object, &listing.directory);

	memcpy(&in, request->argument, sizeof(in));
	if (error == -ESTALE &&
		gone_find(&request->mount->ring, request->object, NULL, &is_orphan)) {
		reply_error(request, 0); /* removed while it was open: nothing is in it */
		return;
	}
	if (error == 0) {
		tree_directory_show_dots(listing.directory);
		listing.size_max = MIN_OF(in.size, SCRATCH_SIZE);
		error = list(&listing, in.offset);
		tree_directory_close(listing.directory);
	}
	if (error != 0)
		reply_error(request, error);
	else
		reply_data(request, request->scratch, listing.size);
}

void on_readdir(struct request *request)
{
	read_directory(request, false);
}

void on_readdirplus(struct request *request)
{
	read_directory(request, true);
}
