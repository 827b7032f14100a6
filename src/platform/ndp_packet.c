/* All numbers big-endian, as they come:
 *
 *	u32 6 << 28, u16 payload, u8 58 (ICMPv6), u8 255 (hop limit), 16 source, 16 destination,
 *	u8 135 (solicitation) or 136 (advertisement), u8 0, u16 checksum (RFC 4443 section 2.3),
 *	u32 flags of an advertisement (router, solicited, override), 16 target,
 *	options: u8 kind, u8 length in units of 8 bytes, the rest; 1: sender's, 2: target's hardware
 *	address
 */
#include "platform/ndp_packet.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define HEADER_SIZE	    40
#define MESSAGE_SIZE	    24 /* up to the options */
#define NEXT_IS_ICMPV6	    58
#define KIND_SOLICITATION   135
#define KIND_ADVERTISEMENT  136
#define FLAG_SOLICITED	    (1u << 30)
#define FLAG_OVERRIDE	    (1u << 29)
#define OPTION_SENDER	    1
#define OPTION_TARGET	    2
#define OPTION_UNIT	    8
#define PAYLOAD_SIZE_OFFSET 4
#define NEXT_OFFSET	    6
#define SOURCE_OFFSET	    8
#define DESTINATION_OFFSET  24
#define CHECKSUM_OFFSET	    2 /* in the message */

static const uint8_t all_nodes[ADDRESS_IPV6_SIZE] = { 0xff, 2, [15] = 1 };
static const uint8_t solicited_prefix[13] = { 0xff, 2, [11] = 1, [12] = 0xff };

/* ---- both ways ---- */

static uint32_t add_words(uint32_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
	return sum;
}

/* Over both addresses, the size, the kind, and the message (RFC 8200 section 8.1). Over a message
 * with its checksum the result is zero. */
static uint16_t checksum(const uint8_t *packet, size_t message_size)
{
	uint32_t sum = add_words(0, packet + SOURCE_OFFSET, 2 * (size_t)ADDRESS_IPV6_SIZE);

	sum += (uint32_t)message_size + NEXT_IS_ICMPV6;
	sum = add_words(sum, packet + HEADER_SIZE, message_size);
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

struct address ndp_solicited_group(const struct address *address)
{
	uint8_t bytes[ADDRESS_IPV6_SIZE];

	CHECK(address->family == ADDRESS_IPV6);
	memcpy(bytes, solicited_prefix, sizeof(solicited_prefix));
	memcpy(bytes + sizeof(solicited_prefix), address->bytes + sizeof(solicited_prefix),
		sizeof(bytes) - sizeof(solicited_prefix));
	return address_make(ADDRESS_IPV6, bytes);
}

void ndp_group_mac(const struct address *group, uint8_t out_mac[MAC_SIZE])
{
	CHECK(group->family == ADDRESS_IPV6 && group->bytes[0] == 0xff);
	out_mac[0] = out_mac[1] = 0x33;
	memcpy(out_mac + 2, group->bytes + 12, 4);
}

/* ---- making ---- */

struct message {
	uint8_t kind;
	uint32_t flags;
	const struct address *source; /* none: :: */
	const struct address *target;
	uint8_t option; /* 0: none */
	const uint8_t *mac;
};

/* The packet's destination stands already. */
static void make(const struct message *message, struct ndp_packet *packet)
{
	struct buf_writer writer = buf_writer_init(packet->data, sizeof(packet->data));
	size_t size = MESSAGE_SIZE + (message->option != 0 ? OPTION_UNIT : 0);

	CHECK(message->target->family == ADDRESS_IPV6 && message->source->family != ADDRESS_IPV4);
	buf_put_u32(&writer, UINT32_C(6) << 28);
	buf_put_u16(&writer, (uint16_t)size);
	buf_put_u8(&writer, NEXT_IS_ICMPV6);
	buf_put_u8(&writer, NDP_HOP_LIMIT);
	buf_put_raw(&writer, message->source->bytes, ADDRESS_IPV6_SIZE);
	buf_put_raw(&writer, packet->destination.bytes, ADDRESS_IPV6_SIZE);
	buf_put_u8(&writer, message->kind);
	buf_put_u8(&writer, 0);
	buf_put_u16(&writer, 0); /* the checksum, below */
	buf_put_u32(&writer, message->flags);
	buf_put_raw(&writer, message->target->bytes, ADDRESS_IPV6_SIZE);
	if (message->option != 0) {
		buf_put_u8(&writer, message->option);
		buf_put_u8(&writer, 1);
		buf_put_raw(&writer, message->mac, MAC_SIZE);
	}
	CHECK(!writer.is_overrun && writer.size == HEADER_SIZE + size);
	packet->size = writer.size;
	writer = buf_writer_init(packet->data + HEADER_SIZE + CHECKSUM_OFFSET, sizeof(uint16_t));
	buf_put_u16(&writer, checksum(packet->data, size));
}

void ndp_make_question(const struct address *sender, const struct address *target,
	const uint8_t mac[MAC_SIZE], struct ndp_packet *out_packet)
{
	*out_packet = (struct ndp_packet){ .destination = ndp_solicited_group(target) };
	make(&(struct message){ .kind = KIND_SOLICITATION,
		     .source = sender,
		     .target = target,
		     .option = sender->family == ADDRESS_NONE ? 0 : OPTION_SENDER,
		     .mac = mac },
		out_packet);
}

void ndp_make_announcement(
	const struct address *address, const uint8_t mac[MAC_SIZE], struct ndp_packet *out_packet)
{
	*out_packet = (struct ndp_packet){ .destination = address_make(ADDRESS_IPV6, all_nodes) };
	make(&(struct message){ .kind = KIND_ADVERTISEMENT,
		     .flags = FLAG_OVERRIDE,
		     .source = address,
		     .target = address,
		     .option = OPTION_TARGET,
		     .mac = mac },
		out_packet);
}

/* ---- reading ---- */

struct parsed {
	uint8_t kind;
	uint32_t flags;
	struct address source, destination, target;
	bool has_mac;
	uint8_t mac[MAC_SIZE];
};

static bool is_multicast(const struct address *address)
{
	return address->bytes[0] == 0xff;
}

static bool is_unspecified(const struct address *address)
{
	return address_check(address, ADDRESS_OF_NODE) == ADDRESS_IS_UNSPECIFIED;
}

static struct address get_address(struct buf_reader *reader)
{
	uint8_t bytes[ADDRESS_IPV6_SIZE];

	buf_get_raw(reader, bytes, sizeof(bytes));
	return address_make(ADDRESS_IPV6, bytes);
}

/* The header, and whether the message is whole: then the reader ends where the message does. */
static bool read_header(struct bytes packet, struct buf_reader *out_reader, struct parsed *parsed)
{
	struct buf_reader reader = buf_reader_init(packet.data, packet.size);

	bool is_good = buf_get_u32(&reader) >> 28 == 6;
	size_t size = buf_get_u16(&reader);
	is_good = buf_get_u8(&reader) == NEXT_IS_ICMPV6 && is_good;
	is_good = buf_get_u8(&reader) == NDP_HOP_LIMIT && is_good; /* none has routed it */
	parsed->source = get_address(&reader);
	parsed->destination = get_address(&reader);
	if (!is_good || reader.is_overrun || size < MESSAGE_SIZE ||
		packet.size < HEADER_SIZE + size || checksum(packet.data, size) != 0)
		return false;
	*out_reader = buf_reader_init(packet.data + HEADER_SIZE, size);
	return true;
}

/* Takes the hardware address out of the wanted option; unknown ones are skipped (RFC 4861 section
 * 4.6). One of no length would never end. */
static bool read_options(struct buf_reader *reader, uint8_t wanted, struct parsed *parsed)
{
	while (reader->position < reader->size) {
		uint8_t kind = buf_get_u8(reader);
		size_t rest = (size_t)buf_get_u8(reader) * OPTION_UNIT;
		if (rest == 0 || reader->is_overrun || rest - 2 > reader->size - reader->position)
			return false;
		rest -= 2;
		if (kind == wanted && rest == MAC_SIZE) {
			buf_get_raw(reader, parsed->mac, MAC_SIZE);
			parsed->has_mac = true;
			continue;
		}
		reader->position += rest;
	}
	return true;
}

static bool read_message(struct buf_reader *reader, struct parsed *parsed)
{
	parsed->kind = buf_get_u8(reader);
	bool is_good = buf_get_u8(reader) == 0;
	(void)buf_get_u16(reader); /* the checksum: it was looked at */
	parsed->flags = buf_get_u32(reader);
	parsed->target = get_address(reader);
	return is_good && !reader->is_overrun && !is_multicast(&parsed->target) &&
	       !is_multicast(&parsed->source) &&
	       (parsed->kind == KIND_SOLICITATION || parsed->kind == KIND_ADVERTISEMENT) &&
	       read_options(reader,
		       parsed->kind == KIND_SOLICITATION ? OPTION_SENDER : OPTION_TARGET, parsed);
}

/* What a packet of either kind says that somebody has. */
static int claimed_address(const struct parsed *parsed, struct address *out_address)
{
	if (parsed->kind == KIND_ADVERTISEMENT) {
		/* Nobody asked all nodes. */
		if (is_multicast(&parsed->destination) && (parsed->flags & FLAG_SOLICITED) != 0)
			return -EBADMSG;
		*out_address = parsed->target;
	} else {
		*out_address = parsed->source;
	}
	return is_unspecified(out_address) ? -EBADMSG : 0;
}

/* A hardware address of one machine: neither a group's nor zero. */
static bool is_of_one(const uint8_t mac[MAC_SIZE])
{
	const uint8_t nobody[MAC_SIZE] = { 0 };

	return (mac[0] & 1) == 0 && memcmp(mac, nobody, MAC_SIZE) != 0;
}

int ndp_read(
	struct bytes packet, const uint8_t frame_mac[MAC_SIZE], struct neighbour_claim *out_claim)
{
	struct parsed parsed = { .has_mac = false };
	struct neighbour_claim claim;
	struct buf_reader reader;

	if (!read_header(packet, &reader, &parsed) || !read_message(&reader, &parsed))
		return -EBADMSG;
	memcpy(claim.mac, parsed.has_mac ? parsed.mac : frame_mac, MAC_SIZE);
	int error = claimed_address(&parsed, &claim.address);
	if (error != 0 || !is_of_one(claim.mac))
		return -EBADMSG;
	*out_claim = claim;
	return 0;
}
