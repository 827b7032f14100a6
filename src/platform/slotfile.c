/*
 * A slot, SLOT_SIZE bytes, big-endian:
 *
 *	 0  u32  magic "EVSL"
 *	 4  u16  version, 1
 *	 6  u16  zero
 *	 8  u64  counter: the higher of two valid slots is the newer one; starts at 1
 *	16  u32  size of the payload
 *	20  u32  CRC-32C of the whole slot, these four bytes taken as zero
 *	24  u64  zero
 *	32  payload, then zeros
 *
 * Slot counter % 2 is written, so the newer one is never touched. Both slots are written with zeros
 * when the file is made: later writes change no metadata and cannot run out of space.
 */
#include "platform/slotfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "platform/disk.h"
#include "platform/planted.h"

#define SLOT_MAGIC	  0x4556534cu
#define SLOT_VERSION	  1
#define SLOT_HEADER	  32
#define SLOT_CRC_POSITION 20
#define SLOT_COUNT	  2

_Static_assert(SLOT_PAYLOAD_MAX + SLOT_HEADER == SLOT_SIZE, "the header and nothing else");

/* What lies beyond the end reads as zeros. */
static int read_all(int fd, uint8_t *data, size_t size, off_t offset)
{
	memset(data, 0, size);
	while (size > 0) {
		ssize_t got = pread(fd, data, size, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		data += got;
		size -= (size_t)got;
		offset += got;
	}
	return 0;
}

static int preallocate(int fd, const char *path)
{
	static const uint8_t zeros[SLOT_SIZE * SLOT_COUNT];
	struct stat info;

	if (fstat(fd, &info) < 0)
		return -errno;
	if (info.st_size >= (off_t)sizeof(zeros))
		return 0;
	int error = disk_write_all(
		fd, zeros + info.st_size, sizeof(zeros) - (size_t)info.st_size, info.st_size);
	if (error != 0)
		return error;
	return fsync(fd) < 0 ? -errno : disk_sync_folder_of(path);
}

struct slot {
	uint8_t bytes[SLOT_SIZE];
	uint64_t counter; /* 0: not valid */
	size_t size;
};

static void slot_parse(struct slot *slot)
{
	struct buf_reader reader = buf_reader_init(slot->bytes, SLOT_SIZE);
	uint8_t copy[SLOT_SIZE];

	uint32_t magic = buf_get_u32(&reader);
	uint16_t version = buf_get_u16(&reader);
	(void)buf_get_u16(&reader); /* reserved */
	uint64_t counter = buf_get_u64(&reader);
	uint32_t size = buf_get_u32(&reader);
	uint32_t checksum = buf_get_u32(&reader);

	slot->counter = 0;
	if (magic != SLOT_MAGIC || version != SLOT_VERSION || size > SLOT_PAYLOAD_MAX)
		return;
	memcpy(copy, slot->bytes, SLOT_SIZE);
	memset(copy + SLOT_CRC_POSITION, 0, sizeof(uint32_t));
	if (crc32c(copy, SLOT_SIZE) != checksum)
		return;
	slot->counter = counter;
	slot->size = size;
}

static bool is_all_zero(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (data[i] != 0)
			return false;
	return true;
}

/* Fills the newest valid slot. Errors: -ENOENT: only zeros; -EBADMSG: bytes, but no valid slot. */
static int load_newest(int fd, struct slot *out_slot)
{
	struct slot slots[SLOT_COUNT];
	bool has_bytes = false;

	for (int i = 0; i < SLOT_COUNT; i++) {
		int error = read_all(fd, slots[i].bytes, SLOT_SIZE, (off_t)i * SLOT_SIZE);
		if (error != 0)
			return error;
		slot_parse(&slots[i]);
		has_bytes = has_bytes || !is_all_zero(slots[i].bytes, SLOT_SIZE);
	}
	const struct slot *newest = slots[1].counter > slots[0].counter ? &slots[1] : &slots[0];
	if (newest->counter == 0)
		return has_bytes ? -EBADMSG : -ENOENT;
	*out_slot = *newest;
	return 0;
}

int slotfile_open(struct slotfile *file, const char *path)
{
	struct slot newest = { .counter = 0 };

	int sync = IS_PLANTED(PLANTED_SLOT_UNSYNCED) ? 0 : O_DSYNC;

	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | sync, 0600);
	if (fd < 0 && errno == EROFS) /* what was written can still be read */
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = load_newest(fd, &newest);
	if (error == -ENOENT)
		error = preallocate(fd, path);
	if (error != 0) {
		close(fd);
		return error;
	}
	*file = (struct slotfile){ .fd = fd, .counter = newest.counter };
	return 0;
}

void slotfile_close(struct slotfile *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

int slotfile_read(struct slotfile *file, void *out, size_t size_max, size_t *out_size)
{
	struct slot newest;

	int error = load_newest(file->fd, &newest);
	if (error != 0)
		return error;
	if (newest.size > size_max)
		return -ERANGE;
	memcpy(out, newest.bytes + SLOT_HEADER, newest.size);
	file->counter = newest.counter;
	*out_size = newest.size;
	return 0;
}

int slotfile_write(struct slotfile *file, const void *data, size_t size)
{
	uint8_t bytes[SLOT_SIZE] = { 0 };
	uint64_t counter = file->counter + 1;

	if (size > SLOT_PAYLOAD_MAX)
		return -ERANGE;
	struct buf_writer writer = buf_writer_init(bytes, sizeof(bytes));
	buf_put_u32(&writer, SLOT_MAGIC);
	buf_put_u16(&writer, SLOT_VERSION);
	buf_put_u16(&writer, 0);
	buf_put_u64(&writer, counter);
	buf_put_u32(&writer, (uint32_t)size);
	memcpy(bytes + SLOT_HEADER, data, size);
	buf_put_u32(&writer, crc32c(bytes, sizeof(bytes)));
	CHECK(!writer.is_overrun && writer.size == SLOT_CRC_POSITION + sizeof(uint32_t));

	int error = disk_write_all(
		file->fd, bytes, sizeof(bytes), (off_t)(counter % SLOT_COUNT) * (off_t)SLOT_SIZE);
	/* A failed write may have torn this slot; the next one goes to the same slot again, so the
	 * good one stays. */
	if (error == 0)
		file->counter = counter;
	return error == -EBADF ? -EROFS : error; /* as slotfile_open() found it */
}
