/*
 * Open descriptors of objects, by id: found by file handle, verified against the id in the inode
 * when they are opened, kept until nobody uses them and room is wanted.
 *
 * An object may have two: one that only names it (O_PATH; any type), one for its content (a regular
 * file for reading and writing, a directory for reading).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/tree/idmap.h"
#include "fs/tree/internal.h"

struct cached {
	uint64_t object;
	int path_fd, content_fd; /* -1: not open */
	uint32_t users;
	bool is_gone;		      /* close when the last user leaves */
	struct cached *newer, *older; /* by last use */
};

struct cache {
	struct lock lock; /* of all below */
	struct idmap by_object;
	struct cached *newest, *oldest;
};

struct cache *cache_new(void)
{
	struct cache *cache = calloc(1, sizeof(*cache));

	if (cache != NULL)
		lock_init(&cache->lock, RANK_TREE_CACHE);
	return cache;
}

static struct cached *find(struct cache *cache, uint64_t object)
{
	return idmap_get(&cache->by_object, object);
}

static void unlink_use(struct cache *cache, struct cached *cached)
{
	if (cached->newer != NULL)
		cached->newer->older = cached->older;
	else
		cache->newest = cached->older;
	if (cached->older != NULL)
		cached->older->newer = cached->newer;
	else
		cache->oldest = cached->newer;
}

static void link_newest(struct cache *cache, struct cached *cached)
{
	cached->newer = NULL;
	cached->older = cache->newest;
	if (cache->newest != NULL)
		cache->newest->newer = cached;
	else
		cache->oldest = cached;
	cache->newest = cached;
}

/* Nothing is lost by an error here: what must be durable was synced by its own call. */
static void close_open(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static void destroy(struct cache *cache, struct cached *cached)
{
	CHECK(cached->users == 0);
	CHECK(find(cache, cached->object) == cached);
	idmap_remove(&cache->by_object, cached->object);
	unlink_use(cache, cached);
	close_open(cached->path_fd);
	close_open(cached->content_fd);
	free(cached);
}

static void make_room(struct cache *cache)
{
	struct cached *cached = cache->oldest;

	while (cached != NULL && cache->by_object.count > CACHED_FDS_MAX) {
		struct cached *newer = cached->newer;
		if (cached->users == 0)
			destroy(cache, cached);
		cached = newer;
	}
}

void cache_free(struct cache *cache)
{
	if (cache == NULL)
		return;
	while (cache->oldest != NULL) {
		cache->oldest->users = 0;
		destroy(cache, cache->oldest);
	}
	idmap_done(&cache->by_object);
	lock_done(&cache->lock);
	free(cache);
}

int place_open(struct tree *tree, const struct place *place, int flags, int *out_fd)
{
	union {
		struct file_handle handle;
		uint8_t bytes[sizeof(struct file_handle) + HANDLE_BYTES_MAX];
	} room;

	if (place->root >= tree->root_count)
		return -ESTALE; /* the configuration has fewer directories than it had */
	room.handle.handle_type = place->type;
	room.handle.handle_bytes = place->size;
	memcpy(room.handle.f_handle, place->bytes, place->size);
	int fd = open_by_handle_at(tree->roots[place->root].fd, &room.handle, flags | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == EINVAL ? -ESTALE : -errno;
	*out_fd = fd;
	return 0;
}

int open_by_place(struct tree *tree, const struct place *place, uint64_t object, int *out_fd)
{
	struct place place_now;
	struct stat st;
	uint64_t object_now;
	int fd = -1, error = place_open(tree, place, O_PATH | O_NOFOLLOW, &fd);

	if (error != 0)
		return error;
	error = fstat(fd, &st) == 0
			? id_read(tree, (struct met){ fd, "", &st }, &place_now, &object_now)
			: -errno;
	if (error == 0 && object_now != object)
		error = -ESTALE;
	if (error != 0) {
		(void)close(fd);
		return error;
	}
	*out_fd = fd;
	return 0;
}

static int open_path(struct tree *tree, uint64_t object, int *out_fd)
{
	struct place place;

	if (object >= 1 && object <= (uint64_t)tree->root_count) {
		*out_fd = openat(tree->roots[object - 1].fd, ".", O_PATH | O_CLOEXEC);
		return *out_fd < 0 ? -errno : 0;
	}
	int error = index_get(tree->index, object, &place);
	if (error != 0)
		return error == -ENOENT ? -ESTALE : error;
	return open_by_place(tree, &place, object, out_fd);
}

static int open_content(int path_fd, int *out_fd)
{
	char path[PROC_PATH_SIZE];
	struct stat st;
	int fd;

	if (fstat(path_fd, &st) != 0)
		return -errno;
	proc_path(path, path_fd, "");
	if (S_ISDIR(st.st_mode)) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
	} else if (S_ISREG(st.st_mode)) {
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOATIME);
		if (fd < 0 && errno == EPERM) /* chattr +a */
			fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOATIME);
		if (fd < 0 && (errno == EPERM || errno == EROFS)) /* chattr +i */
			fd = open(path, O_RDONLY | O_CLOEXEC | O_NOATIME);
	} else {
		return -EINVAL;
	}
	if (fd < 0)
		return -errno;
	*out_fd = fd;
	return 0;
}

static bool take(
	struct cache *cache, uint64_t object, enum wants wants, struct grip *out, int *out_path_fd)
{
	struct cached *cached = find(cache, object);

	*out_path_fd = -1;
	if (cached == NULL)
		return false;
	int fd = cached->content_fd >= 0 || wants == WANTS_CONTENT ? cached->content_fd
								   : cached->path_fd;
	if (fd < 0) {
		*out_path_fd = cached->path_fd;
		if (cached->path_fd >= 0)
			cached->users++; /* pins path_fd for the caller's reopening */
		return false;
	}
	cached->users++;
	unlink_use(cache, cached);
	link_newest(cache, cached);
	*out = (struct grip){ .cached = cached, .fd = fd };
	return true;
}

/* NULL: no memory. */
static struct cached *add(struct cache *cache, uint64_t object)
{
	struct cached *cached = calloc(1, sizeof(*cached));

	if (cached == NULL)
		return NULL;
	cached->object = object;
	cached->path_fd = cached->content_fd = -1;
	if (idmap_put(&cache->by_object, object, cached) != 0) {
		free(cached);
		return NULL;
	}
	link_newest(cache, cached);
	return cached;
}

/* Adds descriptors (-1: none) that were opened without the lock; another thread may have been
 * faster, whose descriptors then stay. Takes both, unless it fails. */
static int keep(struct cache *cache, uint64_t object, int path_fd, int content_fd)
{
	struct cached *cached = find(cache, object);

	if (cached == NULL)
		cached = add(cache, object);
	if (cached == NULL)
		return -ENOMEM;
	if (path_fd >= 0 && cached->path_fd < 0)
		cached->path_fd = path_fd;
	else
		close_open(path_fd);
	if (content_fd >= 0 && cached->content_fd < 0)
		cached->content_fd = content_fd;
	else
		close_open(content_fd);
	return 0;
}

static void leave(struct cache *cache, struct cached *cached)
{
	CHECK(cached->users > 0);
	cached->users--;
	if (cached->users == 0 && cached->is_gone)
		destroy(cache, cached);
}

int tree_grip(struct tree *tree, uint64_t object, enum wants wants, struct grip *out)
{
	struct cache *cache = tree->cache;
	int path_fd, new_path_fd = -1, content_fd = -1, error = 0;

	lock_take(&cache->lock);
	bool is_there = take(cache, object, wants, out, &path_fd);
	lock_give(&cache->lock);
	if (is_there)
		return 0;

	if (path_fd < 0)
		error = open_path(tree, object, &new_path_fd);
	if (error == 0 && wants == WANTS_CONTENT)
		error = open_content(path_fd >= 0 ? path_fd : new_path_fd, &content_fd);

	lock_take(&cache->lock);
	if (path_fd >= 0)
		leave(cache, find(cache, object));
	if (error == 0)
		error = keep(cache, object, new_path_fd, content_fd);
	if (error == 0) {
		CHECK(take(cache, object, wants, out, &path_fd));
		make_room(cache);
	}
	lock_give(&cache->lock);
	if (error != 0) {
		close_open(new_path_fd);
		close_open(content_fd);
	}
	return error;
}

void tree_release(struct tree *tree, struct grip *grip)
{
	struct cache *cache = tree->cache;

	if (grip->cached == NULL)
		return;
	lock_take(&cache->lock);
	leave(cache, grip->cached);
	lock_give(&cache->lock);
	*grip = (struct grip){ .fd = -1 };
}

void cache_drop(struct tree *tree, uint64_t object)
{
	struct cache *cache = tree->cache;

	lock_take(&cache->lock);
	struct cached *cached = find(cache, object);
	if (cached != NULL && cached->users == 0)
		destroy(cache, cached);
	else if (cached != NULL)
		cached->is_gone = true;
	lock_give(&cache->lock);
}

void cache_drop_all(struct tree *tree)
{
	struct cache *cache = tree->cache;

	lock_take(&cache->lock);
	for (struct cached *cached = cache->oldest; cached != NULL;) {
		struct cached *newer = cached->newer;
		if (cached->users == 0)
			destroy(cache, cached);
		else
			cached->is_gone = true;
		cached = newer;
	}
	lock_give(&cache->lock);
}

int tree_get_fd(struct tree *tree, uint64_t object, int *out_fd)
{
	struct grip grip;
	int error = tree_grip(tree, object, WANTS_CONTENT, &grip);

	if (error == 0)
		*out_fd = grip.fd;
	return error;
}

void tree_put_fd(struct tree *tree, uint64_t object)
{
	struct cache *cache = tree->cache;

	lock_take(&cache->lock);
	struct cached *cached = find(cache, object);
	CHECK(cached != NULL);
	leave(cache, cached);
	lock_give(&cache->lock);
}

void tree_forget(struct tree *tree, uint64_t object)
{
	cache_drop(tree, object);
}

void tree_keep_removed(struct tree *tree, uint64_t object)
{
	struct cache *cache = tree->cache;
	int fd;

	if (tree_open_object(tree, object, O_PATH, &fd) != 0)
		return; /* then only its attributes are remembered */
	lock_take(&cache->lock);
	if (keep(cache, object | TREE_REMOVED, fd, -1) != 0)
		(void)close(fd);
	make_room(cache);
	lock_give(&cache->lock);
}
