#include "api/preface.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define PREFACE_MAGIC 0x45564b4cu /* EVKL */
#define ZEROS	      7

_Static_assert(PREFACE_SIZE == 4 + 2 + 2 + 1 + ZEROS + MODULE_NAME_MAX, "as the layout says");

static const struct word statuses[] = { PREFACE_STATUSES(WORD_ROW) };
const struct words preface_status_words = { statuses, PREFACE_STATUS_COUNT };

void preface_encode(const struct preface *preface, uint8_t out[PREFACE_SIZE])
{
	static const uint8_t zeros[ZEROS];
	struct buf_writer writer = buf_writer_init(out, PREFACE_SIZE);
	char name[MODULE_NAME_MAX] = { 0 };

	memcpy(name, preface->module, strnlen(preface->module, sizeof(name)));
	buf_put_u32(&writer, PREFACE_MAGIC);
	buf_put_u16(&writer, preface->version);
	buf_put_u16(&writer, preface->kind);
	buf_put_u8(&writer, preface->node);
	buf_put_raw(&writer, zeros, sizeof(zeros));
	buf_put_raw(&writer, name, sizeof(name));
	CHECK(!writer.is_overrun && writer.size == PREFACE_SIZE);
}

/* The name, then nothing but zeros. */
static bool is_padded(const char *name, size_t size)
{
	size_t length = strnlen(name, size);

	for (size_t i = length; i < size; i++)
		if (name[i] != '\0')
			return false;
	return length > 0;
}

int preface_decode(const uint8_t data[PREFACE_SIZE], struct preface *out_preface)
{
	struct buf_reader reader = buf_reader_init(data, PREFACE_SIZE);
	struct preface preface = { 0 };
	uint8_t zeros[ZEROS];

	uint32_t magic = buf_get_u32(&reader);
	preface.version = buf_get_u16(&reader);
	preface.kind = buf_get_u16(&reader);
	preface.node = buf_get_u8(&reader);
	buf_get_raw(&reader, zeros, sizeof(zeros));
	buf_get_raw(&reader, preface.module, MODULE_NAME_MAX);
	if (magic != PREFACE_MAGIC)
		return -EBADMSG;
	/* What another version puts behind its number is not for us to judge. */
	if (preface.version == PREFACE_VERSION &&
		(preface.node < 1 || preface.node > NODES_MAX ||
			!is_padded(preface.module, MODULE_NAME_MAX)))
		return -EBADMSG;
	*out_preface = preface;
	return 0;
}

void preface_encode_answer(enum preface_status status, uint8_t out[PREFACE_ANSWER_SIZE])
{
	struct buf_writer writer = buf_writer_init(out, PREFACE_ANSWER_SIZE);

	buf_put_u32(&writer, PREFACE_MAGIC);
	buf_put_u16(&writer, PREFACE_VERSION);
	buf_put_u16(&writer, (uint16_t)status);
	CHECK(!writer.is_overrun && writer.size == PREFACE_ANSWER_SIZE);
}

int preface_decode_answer(const uint8_t data[PREFACE_ANSWER_SIZE], enum preface_status *out_status)
{
	struct buf_reader reader = buf_reader_init(data, PREFACE_ANSWER_SIZE);

	uint32_t magic = buf_get_u32(&reader);
	(void)buf_get_u16(&reader); /* its version: the status tells whether ours will do */
	uint16_t status = buf_get_u16(&reader);
	if (magic != PREFACE_MAGIC || status >= PREFACE_STATUS_COUNT)
		return -EBADMSG;
	*out_status = (enum preface_status)status;
	return 0;
}
