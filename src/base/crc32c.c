#include "base/crc32c.h"

/* Bit by bit: the records are small and rare, and a table would be one more thing to trust. */
#define POLYNOMIAL_REFLECTED 0x82f63b78u

uint32_t crc32c(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL_REFLECTED : crc >> 1;
	}
	return ~crc;
}
