#include "fs/tree/idlist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 256

/* What was taken leaves its room at the front: the rest moves there when that is half of it. */
static int make_room(struct idlist *list)
{
	if (list->end < list->room)
		return 0;
	size_t count = idlist_count(list);
	if (list->first > 0 && list->first >= list->room / 2) {
		memmove(list->ids, list->ids + list->first, count * sizeof(list->ids[0]));
		list->first = 0;
		list->end = count;
		return 0;
	}
	size_t room = MAX_OF((size_t)ROOM_MIN, list->room * 2);
	uint64_t *ids = realloc(list->ids, room * sizeof(ids[0]));
	if (ids == NULL)
		return -ENOMEM;
	list->ids = ids;
	list->room = room;
	return 0;
}

void idlist_done(struct idlist *list)
{
	free(list->ids);
	*list = (struct idlist){ 0 };
}

int idlist_push(struct idlist *list, uint64_t id)
{
	int error = make_room(list);
	if (error == 0)
		list->ids[list->end++] = id;
	return error;
}

uint64_t idlist_pop(struct idlist *list)
{
	return list->first < list->end ? list->ids[list->first++] : 0;
}

size_t idlist_count(const struct idlist *list)
{
	return list->end - list->first;
}
