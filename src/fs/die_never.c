#include "fs/front/die.h"

void die_if_told(uint32_t opcode, enum die_point point)
{
	(void)opcode;
	(void)point;
}
