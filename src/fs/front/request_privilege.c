/*
 * Who may keep the setuid and setgid bits of a file that is written to or given away.
 *
 * The kernel leaves this to us (FUSE_HANDLE_KILLPRIV_V2) and says only that the caller may not. The
 * rule is the kernel's own (setattr_should_drop_suidgid() in fs/attr.c): setuid goes, setgid goes
 * if the group may execute, or if the caller is not in the group.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/front/request.h"

#define STATUS_LINE_MAX 8192

/* Supplementary groups do not travel with a request. */
static bool is_in_groups_line(const char *line, uint32_t gid)
{
	char *end;

	for (;;) {
		unsigned long group = strtoul(line, &end, 10);
		if (end == line)
			return false;
		if (group == gid)
			return true;
		line = end;
	}
}

static bool is_supplementary(uint32_t pid, uint32_t gid)
{
	char path[32], line[STATUS_LINE_MAX];
	bool is_member = false;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%u/status", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false; /* rather a bit too few */
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "Groups:", 7) == 0)
			is_member = is_in_groups_line(line + 7, gid);
	}
	(void)fclose(file);
	return is_member;
}

static bool is_in_group(const struct request *request, uint32_t gid)
{
	return request->in.uid == 0 || request->in.gid == gid ||
	       is_supplementary(request->in.pid, gid);
}

static uint32_t without_privilege(
	const struct request *request, const struct attributes *attributes)
{
	uint32_t mode = attributes->mode;

	if ((mode & S_ISGID) != 0 &&
		((mode & S_IXGRP) != 0 || !is_in_group(request, attributes->gid)))
		mode &= ~(uint32_t)S_ISGID;
	return mode & ~(uint32_t)S_ISUID;
}

static int set_mode(struct request *request, struct op *op, uint32_t mode)
{
	struct attributes wanted = op->attributes;

	if (mode == op->attributes.mode)
		return 0;
	wanted.mode = mode;
	int error = tree_set_attributes(request->front->tree, op->object, ATTRIBUTE_MODE, &wanted);
	if (error != 0)
		return error; /* the peer gets the mode that is really here */
	/* It has the bits in memory, and would obey them in exec(2), until it has a reason to ask. */
	(void)mount_invalidate_attributes(request->mount, op->object);
	op->attributes.mode = mode;
	if (op->type == OP_WRITE)
		op->mask |= ATTRIBUTE_MODE;
	if (op->type == OP_ALLOCATE)
		op->flags |= OP_FLAG_MODE;
	return 0;
}

/* chown(2) takes the setuid bits away, and so does a truncation by somebody who may not keep them.
 */
int drop_privilege_before(struct request *request, struct op *op)
{
	struct tree_entry entry;
	int error = tree_stat(request->front->tree, op->object, &entry);

	if (error != 0 || S_ISDIR(entry.attributes.mode))
		return error;
	uint32_t kept = without_privilege(request, &entry.attributes);
	if (kept != entry.attributes.mode) {
		op->mask |= ATTRIBUTE_MODE;
		op->attributes.mode = kept;
	}
	return 0;
}

int drop_privilege_after(struct request *request, struct change *change)
{
	return set_mode(request, &change->op, without_privilege(request, &change->op.attributes));
}

int drop_setgid_after(struct request *request, struct change *change)
{
	return set_mode(request, &change->op, change->op.attributes.mode & ~(uint32_t)S_ISGID);
}
