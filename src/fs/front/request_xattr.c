/* Extended attributes and symbolic links. */
#include "fs/front/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

void on_readlink(struct request *request)
{
	size_t size;
	int error = tree_read_link(
		request->front->tree, request->object, request->scratch, SCRATCH_SIZE, &size);

	if (error != 0)
		reply_error(request, error);
	else
		reply_data(request, request->scratch, size);
}

/* The size that was asked for is 0: only the size is told. */
static void reply_sized(struct request *request, uint32_t size_max, size_t size)
{
	struct fuse_getxattr_out out = { .size = (uint32_t)size };

	if (size_max == 0)
		reply_data(request, &out, sizeof(out));
	else if (size > size_max)
		reply_error(request, -ERANGE);
	else
		reply_data(request, request->scratch, size);
}

void on_getxattr(struct request *request)
{
	struct fuse_getxattr_in in;
	struct bytes name;
	size_t size = XATTR_SIZE_MAX_;
	int error = request_name(request, sizeof(in), &name);

	memcpy(&in, request->argument, sizeof(in));
	if (error == 0 && tree_is_hidden_xattr((const char *)name.data))
		error = -ENODATA;
	if (error == 0)
		error = tree_get_xattr(request->front->tree, request_reachable(request),
			(const char *)name.data, request->scratch, &size);
	if (error != 0)
		reply_error(request, error);
	else
		reply_sized(request, in.size, size);
}

/* Whoever may not read trusted.* does not see their names either. */
static size_t without_trusted(char *names, size_t size)
{
	size_t kept = 0;

	for (size_t at = 0; at < size;) {
		size_t length = strlen(names + at) + 1;
		if (strncmp(names + at, "trusted.", 8) != 0) {
			memmove(names + kept, names + at, length);
			kept += length;
		}
		at += length;
	}
	return kept;
}

void on_listxattr(struct request *request)
{
	struct fuse_getxattr_in in;
	size_t size = 0;
	int error = tree_list_xattrs(request->front->tree, request_reachable(request),
		(char *)request->scratch, XATTR_LIST_SIZE_MAX, &size);

	memcpy(&in, request->argument, sizeof(in));
	if (error == 0 && request->in.uid != 0)
		size = without_trusted((char *)request->scratch, size);
	if (error != 0)
		reply_error(request, error);
	else
		reply_sized(request, in.size, size);
}

static int answer_nothing(struct request *request, struct change *change)
{
	(void)request;
	(void)change;
	return 0;
}

static void run(struct request *request, struct change *change)
{
	change->op.object = request->object;
	change->objects = (struct order_objects){ .ids = { request->object } };
	change->answer = answer_nothing;
	if (request_is_removed(request)) {
		change_removed(request, change);
		return;
	}
	int error = change_run(request, change);
	if (error != 0)
		reply_error(request, error);
}

/* The kernel asks to drop set-group-id with default lists as well; only this one stands for the
 * mode. */
static bool is_access_list(struct bytes name)
{
	static const char access_list[] = "system.posix_acl_access";

	return name.size == sizeof(access_list) - 1 &&
	       memcmp(name.data, access_list, sizeof(access_list) - 1) == 0;
}

void on_setxattr(struct request *request)
{
	struct fuse_setxattr_in in;
	struct change change = { .op = { .type = OP_SET_XATTR } };
	int error = request_name(request, sizeof(in), &change.op.name);

	memcpy(&in, request->argument, sizeof(in));
	size_t offset = sizeof(in) + change.op.name.size + 1;
	if (error == 0 && (in.size > XATTR_SIZE_MAX_ || offset + in.size > request->argument_size))
		error = -EINVAL;
	if (error != 0) {
		reply_error(request, error);
		return;
	}
	change.op.data = (struct bytes){ request->argument + offset, in.size };
	/* Done again by a successor, "only if it is not there" would find what was done before. */
	change.op.mask = request->was_started ? 0 : in.flags;
	if ((in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID) != 0 &&
		is_access_list(change.op.name))
		change.after = drop_setgid_after;
	run(request, &change);
}

void on_removexattr(struct request *request)
{
	struct change change = { .op = { .type = OP_REMOVE_XATTR } };
	int error = request_name(request, 0, &change.op.name);

	if (error != 0) {
		reply_error(request, error);
		return;
	}
	change.is_repeatable_enodata = true;
	run(request, &change);
}
