/*
 * Any bytes as a packet of neighbour discovery: none make ndp_read() read beyond them, and what it
 * takes is an address of one host at a hardware address of one machine. The size and the checksum are
 * mended first, so that the fuzzer gets behind them.
 *
 * Build and run:
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isrc tests/fuzz/fuzz_ndp.c \
 *		src/platform/ndp_packet.c src/base/address*.c src/base/buf.c -o /tmp/fuzz_ndp
 *	/tmp/fuzz_ndp -max_total_time=60 -max_len=300
 */
#include <stdlib.h>
#include <string.h>

#include "platform/ndp_packet.h"

#define HEADER_SIZE	40
#define CHECKSUM_OFFSET (HEADER_SIZE + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *packet, size_t size)
{
	uint32_t sum = (uint32_t)(size - HEADER_SIZE) + 58;

	memcpy(packet, (const uint8_t[]){ 0x60, 0, 0, 0, 0, 0, 58, NDP_HOP_LIMIT }, 8);
	packet[4] = (uint8_t)((size - HEADER_SIZE) >> 8);
	packet[5] = (uint8_t)(size - HEADER_SIZE);
	memset(packet + CHECKSUM_OFFSET, 0, 2);
	for (size_t i = 8; i < size; i++)
		sum += i % 2 == 0 ? (uint32_t)packet[i] << 8 : packet[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	packet[CHECKSUM_OFFSET] = (uint8_t)(~sum >> 8);
	packet[CHECKSUM_OFFSET + 1] = (uint8_t)~sum;
}

static void read_one(const uint8_t *data, size_t size)
{
	static const uint8_t frame_mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 9 };
	struct neighbour_claim claim;

	if (ndp_read((struct bytes){ .data = data, .size = size }, frame_mac, &claim) != 0)
		return;
	CHECK((claim.mac[0] & 1) == 0);
	CHECK(claim.address.family == ADDRESS_IPV6 && claim.address.bytes[0] != 0xff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_one(data, size);
	if (size < HEADER_SIZE + 4 || size > 1500)
		return 0;
	uint8_t *copy = malloc(size);
	CHECK(copy != NULL);
	memcpy(copy, data, size);
	mend(copy, size);
	read_one(copy, size);
	free(copy);
	return 0;
}
