#include "repl/resync_place.h"

#include "repl/planted.h"

static bool is_adoptable(const struct resync_there *there)
{
	bool is_nobodys = there->at_name == 0 || IS_PLANTED(PLANTED_RESYNC_ADOPTS_ANY);
	return there->is_name_there && is_nobodys && there->is_same_type && there->is_its_only_name;
}

enum resync_arrival resync_arrive(const struct resync_there *there)
{
	if (there->has_object)
		return RESYNC_ARRIVAL_BIND;
	return is_adoptable(there) ? RESYNC_ARRIVAL_ADOPT : RESYNC_ARRIVAL_MAKE;
}

bool resync_listing_expect(struct resync_listing *listing, const struct op *op)
{
	CHECK(op->type == OP_LIST || op->type == OP_LIST_END);
	bool is_begin = op->type == OP_LIST && op->offset == 0; /* an earlier one was cut off */
	if (listing->directory == op->object && !is_begin)
		return false; /* an empty directory has no OP_LIST but its first */
	listing->directory = op->object;
	return true;
}

bool resync_listing_gains(const struct resync_listing *listing, const struct op *op)
{
	if (IS_PLANTED(PLANTED_RESYNC_BOUND_UNNOTED))
		return false;
	return op->type == OP_BIND && op->parent == listing->directory;
}

void resync_listing_end(struct resync_listing *listing)
{
	listing->directory = 0;
}

enum resync_removal resync_unbind(const struct resync_named *named)
{
	if (!named->is_there)
		return RESYNC_REMOVE_NOTHING;
	bool is_last = named->is_directory || named->links <= 1;
	if (IS_PLANTED(PLANTED_RESYNC_NO_LIMBO))
		is_last = named->is_directory;
	return is_last ? RESYNC_REMOVE_TO_LIMBO : RESYNC_REMOVE_NAME;
}

enum resync_binding resync_bind(bool is_in_limbo, bool is_directory)
{
	if (is_in_limbo)
		return RESYNC_BIND_FROM_LIMBO;
	return is_directory ? RESYNC_BIND_MOVE : RESYNC_BIND_LINK;
}
