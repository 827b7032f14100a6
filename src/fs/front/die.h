/*
 * Where in its life a request may be told to kill the whole process, or to wait there for a while: for
 * the tests of the successor (R8), which want every one of these moments, and of what happens at the
 * same time as something else. The programme that is installed is linked with die_never.c, the tests'
 * one with die.c.
 */
#ifndef EVENKEEL_FS_DIE_H
#define EVENKEEL_FS_DIE_H

#include <stdint.h>

enum die_point {
	DIE_READ,
	DIE_STARTED,
	DIE_EXECUTED,
	DIE_SEQUENCED,
	DIE_DONE,
	DIE_LOOKED_UP,
	DIE_PROMOTED, /* of no request: opcode 0; noted, and the mounts do not know it yet */
};

void die_if_told(uint32_t opcode, enum die_point point);

#endif
