#include "base/crc32c.h"

#include "base/crc32c_table.h"

/*
 * Every replicated byte passes here twice, once on each node, so eight bytes are taken at a time.
 * The processor's own instruction would be faster still, but asking whether it is there needs the C
 * library or a privileged host's patience (CPUID traps in virtual machines).
 */

static uint32_t get_u32_little_endian(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static uint32_t add_eight(uint32_t crc, const uint8_t *at)
{
	uint32_t low = crc ^ get_u32_little_endian(at);
	uint32_t high = get_u32_little_endian(at + 4);

	return crc32c_table[7][low & 255] ^ crc32c_table[6][low >> 8 & 255] ^
	       crc32c_table[5][low >> 16 & 255] ^ crc32c_table[4][low >> 24] ^
	       crc32c_table[3][high & 255] ^ crc32c_table[2][high >> 8 & 255] ^
	       crc32c_table[1][high >> 16 & 255] ^ crc32c_table[0][high >> 24];
}

uint32_t crc32c(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t crc = 0xffffffffu;

	for (; size >= 8; size -= 8, bytes += 8)
		crc = add_eight(crc, bytes);
	for (; size > 0; size--, bytes++)
		crc = crc >> 8 ^ crc32c_table[0][(crc ^ *bytes) & 255];
	return ~crc;
}
