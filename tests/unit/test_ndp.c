#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/ndp_packet.h"

static const uint8_t own_mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t frame_mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 9 };
static const struct address nobody = { .family = ADDRESS_NONE };

/* Offsets of what the cases damage. */
enum {
	AT_VERSION = 0,
	AT_SIZE = 5,
	AT_NEXT = 6,
	AT_HOPS = 7,
	AT_SOURCE = 8,
	AT_DESTINATION = 24,
	AT_KIND = 40,
	AT_CODE = 41,
	AT_CHECKSUM = 42,
	AT_FLAGS = 44,
	AT_TARGET = 48,
	AT_OPTION = 64
};

static struct address parsed(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, strlen(text), &address), ADDRESS_IS_GOOD);
	return address;
}

static int read_packet(const struct ndp_packet *packet, struct neighbour_claim *out_claim)
{
	/* In memory of its very size, so that a sanitizer sees each byte too many. */
	uint8_t *copy = malloc(packet->size + 1);
	assert_non_null(copy);
	memcpy(copy, packet->data, packet->size);
	int error = ndp_read(
		(struct bytes){ .data = copy, .size = packet->size }, frame_mac, out_claim);
	free(copy);
	return error;
}

/* The checksum as the other side would have made it: only then is the rest looked at. */
static void mend(struct ndp_packet *packet)
{
	uint32_t sum = (uint32_t)packet->size - AT_KIND + 58;

	packet->data[AT_CHECKSUM] = packet->data[AT_CHECKSUM + 1] = 0;
	for (size_t i = AT_SOURCE; i < packet->size; i++)
		sum += i % 2 == 0 ? (uint32_t)packet->data[i] << 8 : packet->data[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	packet->data[AT_CHECKSUM] = (uint8_t)(~sum >> 8);
	packet->data[AT_CHECKSUM + 1] = (uint8_t)~sum;
}

static struct ndp_packet announcement(void)
{
	struct address address = parsed("fd00::100");
	struct ndp_packet packet;

	ndp_make_announcement(&address, own_mac, &packet);
	return packet;
}

static struct ndp_packet question(const struct address *sender)
{
	struct address target = parsed("fd00::100");
	struct ndp_packet packet;

	ndp_make_question(sender, &target, own_mac, &packet);
	return packet;
}

/* As RFC 4861 section 4.4 draws it. */
static void an_announcement_is_made_byte_by_byte(void **state)
{
	(void)state;
	static const uint8_t wanted[] = { 0x60, 0, 0, 0, 0, 32, 58, 255,
		/* from the address itself */
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
		/* to all nodes */
		0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		/* override */
		136, 0, 0x58, 0x9d, 0x20, 0, 0, 0,
		/* the address */
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
		/* is there */
		2, 1, 2, 0, 0, 0, 0, 1 };
	struct ndp_packet packet = announcement();
	uint8_t mac[MAC_SIZE];

	assert_int_equal(packet.size, sizeof(wanted));
	assert_memory_equal(packet.data, wanted, sizeof(wanted));
	ndp_group_mac(&packet.destination, mac);
	assert_memory_equal(mac, ((const uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1 }), MAC_SIZE);
}

static void a_probe_names_no_sender(void **state)
{
	(void)state;
	struct ndp_packet packet = question(&nobody);
	struct neighbour_claim claim;
	struct address group = parsed("ff02::1:ff00:100");
	const uint8_t zero[ADDRESS_IPV6_SIZE] = { 0 };
	uint8_t mac[MAC_SIZE];

	assert_true(address_is_equal(&packet.destination, &group));
	ndp_group_mac(&packet.destination, mac);
	assert_memory_equal(mac, ((const uint8_t[]){ 0x33, 0x33, 0xff, 0, 1, 0 }), MAC_SIZE);
	assert_int_equal(packet.size, AT_OPTION); /* RFC 4861 4.3: no option without a sender */
	assert_memory_equal(packet.data + AT_SOURCE, zero, sizeof(zero));
	assert_int_equal(read_packet(&packet, &claim), -EBADMSG); /* it has nothing yet */
}

static void what_is_made_is_read(void **state)
{
	(void)state;
	struct neighbour_claim claim;
	struct address sender = parsed("fd00::1"), address = parsed("fd00::100");
	struct ndp_packet packet = announcement();

	assert_int_equal(read_packet(&packet, &claim), 0);
	assert_true(address_is_equal(&claim.address, &address));
	assert_memory_equal(claim.mac, own_mac, MAC_SIZE);
	packet = question(&sender);
	assert_int_equal(read_packet(&packet, &claim), 0);
	assert_true(address_is_equal(&claim.address, &sender));
	assert_memory_equal(claim.mac, own_mac, MAC_SIZE);
}

/* Who asks or answers without an option is known by the frame. */
static void without_an_option_the_frame_counts(void **state)
{
	(void)state;
	struct neighbour_claim claim;
	struct ndp_packet packet = announcement();

	packet.size = AT_OPTION;
	packet.data[AT_SIZE] = 24;
	mend(&packet);
	assert_int_equal(read_packet(&packet, &claim), 0);
	assert_memory_equal(claim.mac, frame_mac, MAC_SIZE);
	packet = announcement();
	packet.data[AT_OPTION] = 14; /* a nonce, RFC 3971: skipped */
	mend(&packet);
	assert_int_equal(read_packet(&packet, &claim), 0);
	assert_memory_equal(claim.mac, frame_mac, MAC_SIZE);
}

/* A frame may be longer than the packet (Ethernet fills up to 60 bytes). */
static void what_is_behind_the_packet_is_not_read(void **state)
{
	(void)state;
	struct neighbour_claim claim;
	struct ndp_packet packet = announcement();

	packet.size = AT_OPTION;
	packet.data[AT_SIZE] = 24;
	mend(&packet);
	packet.size = AT_OPTION + 8; /* the option is still there, behind it */
	assert_int_equal(read_packet(&packet, &claim), 0);
	assert_memory_equal(claim.mac, frame_mac, MAC_SIZE);
}

static const struct {
	const char *what;
	size_t at;
	uint8_t value;
} damages[] = {
	{ "not IPv6", AT_VERSION, 0x40 },
	{ "longer than it is", AT_SIZE, 33 },
	{ "shorter than a message", AT_SIZE, 23 },
	{ "a header between", AT_NEXT, 0 },
	{ "routed here", AT_HOPS, 254 },
	{ "routed here from far", AT_HOPS, 0 },
	{ "from a group", AT_SOURCE, 0xff },
	{ "another kind (router advertisement)", AT_KIND, 134 },
	{ "another kind (redirect)", AT_KIND, 137 },
	{ "a code", AT_CODE, 1 },
	{ "solicited, but to all", AT_FLAGS, 0x60 },
	{ "about a group", AT_TARGET, 0xff },
	{ "an option without a length", AT_OPTION + 1, 0 },
	{ "an option longer than the packet", AT_OPTION + 1, 2 },
	{ "an option much longer", AT_OPTION + 1, 255 },
	{ "a group's hardware address", AT_OPTION + 2, 3 },
};

static void what_is_damaged_says_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(damages); i++) {
		struct ndp_packet packet = announcement();
		struct neighbour_claim claim = { .address.family = 77 };
		packet.data[damages[i].at] = damages[i].value;
		mend(&packet);
		if (read_packet(&packet, &claim) != -EBADMSG || claim.address.family != 77)
			fail_msg("taken: %s", damages[i].what);
	}
}

static void zero_hardware_and_address_say_nothing(void **state)
{
	(void)state;
	struct neighbour_claim claim;
	struct ndp_packet packet = announcement();

	memset(packet.data + AT_OPTION + 2, 0, MAC_SIZE);
	mend(&packet);
	assert_int_equal(read_packet(&packet, &claim), -EBADMSG);
	packet = announcement();
	memset(packet.data + AT_TARGET, 0, ADDRESS_IPV6_SIZE);
	mend(&packet);
	assert_int_equal(read_packet(&packet, &claim), -EBADMSG);
}

/* Each bit that is other, behind the first word, is noticed by the checksum or by its place. */
static void every_bit_is_covered(void **state)
{
	(void)state;
	for (size_t bit = 8 * 4; bit < 8 * announcement().size; bit++) {
		struct neighbour_claim claim;
		struct ndp_packet packet = announcement();
		packet.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (read_packet(&packet, &claim) != -EBADMSG)
			fail_msg("bit %zu does not count", bit);
	}
}

static void every_length_is_looked_at(void **state)
{
	(void)state;
	for (size_t size = 0; size < announcement().size; size++) {
		struct neighbour_claim claim;
		struct ndp_packet packet = announcement();
		packet.size = size;
		assert_int_equal(read_packet(&packet, &claim), -EBADMSG);
		if (size < AT_OPTION)
			continue;
		packet.data[AT_SIZE] = (uint8_t)(size - AT_KIND);
		mend(&packet); /* half an option */
		assert_int_equal(read_packet(&packet, &claim), size == AT_OPTION ? 0 : -EBADMSG);
	}
}

#define STEPS 500000

/* Noise behind a right header and checksum: read to its end at most, and what is taken is somebody's. */
static void noise_is_survived(void **state)
{
	unsigned int seed = 79;
	int taken = 0;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		struct ndp_packet packet = announcement();
		struct neighbour_claim claim;
		for (int changes = rand_r(&seed) % 6; changes >= 0; changes--)
			packet.data[AT_SOURCE + (size_t)rand_r(&seed) % (packet.size - AT_SOURCE)] =
				(uint8_t)rand_r(&seed);
		if (step % 3 == 0)
			packet.size = AT_OPTION + (size_t)rand_r(&seed) % 9;
		packet.data[AT_SIZE] = (uint8_t)(packet.size - AT_KIND);
		mend(&packet);
		if (read_packet(&packet, &claim) != 0)
			continue;
		taken++;
		assert_int_equal(claim.mac[0] & 1, 0);
		assert_int_equal(claim.address.family, ADDRESS_IPV6);
		assert_int_not_equal(claim.address.bytes[0], 0xff);
	}
	assert_true(taken > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_announcement_is_made_byte_by_byte),
		cmocka_unit_test(a_probe_names_no_sender),
		cmocka_unit_test(what_is_made_is_read),
		cmocka_unit_test(without_an_option_the_frame_counts),
		cmocka_unit_test(what_is_behind_the_packet_is_not_read),
		cmocka_unit_test(what_is_damaged_says_nothing),
		cmocka_unit_test(zero_hardware_and_address_say_nothing),
		cmocka_unit_test(every_bit_is_covered),
		cmocka_unit_test(every_length_is_looked_at),
		cmocka_unit_test(noise_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
