/*
 * One entry of an OP_LIST: u64 object, the attributes, the name and a symbolic link's target, each
 * with a u32 length.
 */
#include "base/error.h"
#include "repl/resync_entry.h"

void resync_entry_put(struct buf_writer *writer, const struct resync_entry *entry)
{
	const struct attributes *attributes = &entry->attributes;
	buf_put_u64(writer, entry->object);
	buf_put_u32(writer, attributes->mode);
	buf_put_u32(writer, attributes->uid);
	buf_put_u32(writer, attributes->gid);
	buf_put_u64(writer, attributes->device);
	buf_put_u64(writer, attributes->size);
	buf_put_i64(writer, attributes->atime_ns);
	buf_put_i64(writer, attributes->mtime_ns);
	buf_put_bytes(writer, entry->name);
	buf_put_bytes(writer, entry->link);
}

static bool is_name(struct bytes name)
{
	if (name.size == 0 || (name.size == 1 && name.data[0] == '.') ||
		(name.size == 2 && name.data[0] == '.' && name.data[1] == '.'))
		return false;
	for (size_t i = 0; i < name.size; i++)
		if (name.data[i] == '/' || name.data[i] == '\0')
			return false;
	return true;
}

int resync_entry_get(struct buf_reader *reader, struct resync_entry *out_entry)
{
	struct resync_entry entry = { 0 };
	entry.object = buf_get_u64(reader);
	entry.attributes.mode = buf_get_u32(reader);
	entry.attributes.uid = buf_get_u32(reader);
	entry.attributes.gid = buf_get_u32(reader);
	entry.attributes.device = buf_get_u64(reader);
	entry.attributes.size = buf_get_u64(reader);
	entry.attributes.atime_ns = buf_get_i64(reader);
	entry.attributes.mtime_ns = buf_get_i64(reader);
	entry.name = buf_get_bytes(reader, OBJECT_NAME_MAX);
	entry.link = buf_get_bytes(reader, OBJECT_LINK_MAX);
	if (reader->is_overrun || !is_name(entry.name))
		return -ERROR_BAD_MESSAGE;
	*out_entry = entry;
	return 0;
}
