/*
 * Reading an address. IPv6 as RFC 4291 section 2.2 has it: eight groups of one to four hexadecimal
 * digits, one run of zero groups left out as "::", the last two groups perhaps as four decimal
 * numbers.
 */
#include "base/address.h"

/* A text under reading; beyond its end stand zero bytes. */
struct scanner {
	const char *text;
	size_t size, at;
};

static char peek(const struct scanner *scanner)
{
	return scanner->at < scanner->size ? scanner->text[scanner->at] : '\0';
}

static bool is_at_end(const struct scanner *scanner)
{
	return scanner->at == scanner->size;
}

static bool is_digit(char character)
{
	return character >= '0' && character <= '9';
}

/* The value of a hexadecimal digit, or -1. */
static int digit_value(char character)
{
	if (is_digit(character))
		return character - '0';
	if (character >= 'a' && character <= 'f')
		return character - 'a' + 10;
	if (character >= 'A' && character <= 'F')
		return character - 'A' + 10;
	return -1;
}

/* ---- reading ---- */

static enum address_fault scan_decimal(struct scanner *scanner, uint8_t *out_byte)
{
	bool has_zero = peek(scanner) == '0';
	unsigned int value = 0;
	size_t begin = scanner->at;

	for (; is_digit(peek(scanner)); scanner->at++) {
		value = value * 10 + (unsigned int)(peek(scanner) - '0');
		if (value > UINT8_MAX)
			return ADDRESS_HAS_LARGE_NUMBER;
	}
	if (scanner->at == begin)
		return ADDRESS_IS_NO_ADDRESS;
	if (has_zero && scanner->at - begin > 1)
		return ADDRESS_HAS_LEADING_ZERO;
	*out_byte = (uint8_t)value;
	return ADDRESS_IS_GOOD;
}

/* Four numbers, to the end of the text. */
static enum address_fault scan_ipv4(struct scanner *scanner, uint8_t out_bytes[ADDRESS_IPV4_SIZE])
{
	for (int i = 0; i < ADDRESS_IPV4_SIZE; i++) {
		if (i > 0 && peek(scanner) != '.')
			return is_at_end(scanner) ? ADDRESS_HAS_WRONG_COUNT : ADDRESS_IS_NO_ADDRESS;
		if (i > 0)
			scanner->at++;
		enum address_fault fault = scan_decimal(scanner, &out_bytes[i]);
		if (fault != ADDRESS_IS_GOOD)
			return fault;
	}
	if (is_at_end(scanner))
		return ADDRESS_IS_GOOD;
	return peek(scanner) == '.' ? ADDRESS_HAS_WRONG_COUNT : ADDRESS_IS_NO_ADDRESS;
}

/* What was read of an IPv6 address: bytes, and behind how many of them the gap stands. */
struct groups {
	uint8_t bytes[ADDRESS_IPV6_SIZE];
	size_t size;
	size_t gap;
	bool has_gap;
};

static enum address_fault scan_group(struct scanner *scanner, struct groups *groups)
{
	unsigned int value = 0;
	size_t begin = scanner->at;

	for (; digit_value(peek(scanner)) >= 0; scanner->at++) {
		if (scanner->at - begin == 4)
			return ADDRESS_HAS_LONG_GROUP;
		value = value * 16 + (unsigned int)digit_value(peek(scanner));
	}
	if (scanner->at == begin)
		return ADDRESS_IS_NO_ADDRESS;
	if (groups->size + 2 > ADDRESS_IPV6_SIZE)
		return ADDRESS_HAS_WRONG_COUNT;
	groups->bytes[groups->size++] = (uint8_t)(value >> 8);
	groups->bytes[groups->size++] = (uint8_t)value;
	return ADDRESS_IS_GOOD;
}

/* Does a number with a dot behind it come next? */
static bool is_at_ipv4(const struct scanner *scanner)
{
	struct scanner ahead = *scanner;

	while (is_digit(peek(&ahead)))
		ahead.at++;
	return ahead.at > scanner->at && peek(&ahead) == '.';
}

static enum address_fault scan_ipv4_tail(struct scanner *scanner, struct groups *groups)
{
	if (groups->size + ADDRESS_IPV4_SIZE > ADDRESS_IPV6_SIZE)
		return ADDRESS_HAS_WRONG_COUNT;
	enum address_fault fault = scan_ipv4(scanner, groups->bytes + groups->size);
	groups->size += ADDRESS_IPV4_SIZE;
	return fault;
}

static enum address_fault scan_gap(struct scanner *scanner, struct groups *groups)
{
	if (groups->has_gap)
		return ADDRESS_HAS_TWO_GAPS;
	groups->has_gap = true;
	groups->gap = groups->size;
	scanner->at += 2;
	return ADDRESS_IS_GOOD;
}

static bool is_at_gap(const struct scanner *scanner)
{
	return peek(scanner) == ':' && scanner->at + 1 < scanner->size &&
	       scanner->text[scanner->at + 1] == ':';
}

static enum address_fault scan_groups(struct scanner *scanner, struct groups *groups)
{
	enum address_fault fault = ADDRESS_IS_GOOD;

	if (is_at_gap(scanner))
		fault = scan_gap(scanner, groups);
	while (fault == ADDRESS_IS_GOOD && !is_at_end(scanner)) {
		if (is_at_ipv4(scanner))
			return scan_ipv4_tail(scanner, groups);
		fault = scan_group(scanner, groups);
		if (fault != ADDRESS_IS_GOOD || is_at_end(scanner))
			return fault;
		if (is_at_gap(scanner))
			fault = scan_gap(scanner, groups);
		else if (peek(scanner) != ':' || ++scanner->at == scanner->size)
			return ADDRESS_IS_NO_ADDRESS;
	}
	return fault;
}

/* Zeroes where the gap was: what stood behind it goes to the end. */
static void fill_gap(struct groups *groups)
{
	size_t behind = groups->size - groups->gap;

	for (size_t i = 1; i <= behind; i++) {
		groups->bytes[ADDRESS_IPV6_SIZE - i] = groups->bytes[groups->size - i];
		groups->bytes[groups->size - i] = 0;
	}
}

static enum address_fault parse_ipv6(struct scanner *scanner, struct address *address)
{
	struct groups groups = { .size = 0 };

	enum address_fault fault = scan_groups(scanner, &groups);
	if (fault != ADDRESS_IS_GOOD)
		return fault;
	/* A gap stands for one group at least (RFC 4291 section 2.2). */
	if (groups.has_gap ? groups.size > ADDRESS_IPV6_SIZE - 2 : groups.size < ADDRESS_IPV6_SIZE)
		return ADDRESS_HAS_WRONG_COUNT;
	if (groups.has_gap)
		fill_gap(&groups);
	*address = address_make(ADDRESS_IPV6, groups.bytes);
	return ADDRESS_IS_GOOD;
}

static bool has_character(const char *text, size_t size, char wanted)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] == wanted)
			return true;
	return false;
}

enum address_fault address_parse(const char *text, size_t size, struct address *out_address)
{
	struct scanner scanner = { .text = text, .size = size };
	uint8_t bytes[ADDRESS_IPV4_SIZE];

	if (size == 0)
		return ADDRESS_IS_EMPTY;
	if (has_character(text, size, '[') || has_character(text, size, ']'))
		return ADDRESS_HAS_BRACKETS;
	if (has_character(text, size, '%'))
		return ADDRESS_HAS_ZONE;
	if (has_character(text, size, ':'))
		return parse_ipv6(&scanner, out_address);
	enum address_fault fault = scan_ipv4(&scanner, bytes);
	if (fault == ADDRESS_IS_GOOD)
		*out_address = address_make(ADDRESS_IPV4, bytes);
	return fault;
}

enum address_fault address_read(const char *text, enum address_use use, struct address *out_address)
{
	struct address address;
	size_t size = 0;

	while (text[size] != '\0')
		size++;
	enum address_fault fault = address_parse(text, size, &address);
	if (fault == ADDRESS_IS_GOOD)
		fault = address_check(&address, use);
	if (fault == ADDRESS_IS_GOOD)
		*out_address = address;
	return fault;
}
