/*
 * CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: guards small records on disk and on the wire
 * against torn writes and bit rot. Not for: anything an attacker may choose.
 */
#ifndef EVENKEEL_BASE_CRC32C_H
#define EVENKEEL_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t size);

#endif
