#include "daemon/repeats.h"

#include <stdio.h>
#include <string.h>

static bool is_of(const struct repeat *repeat, const struct repeats_event *event)
{
	return strcmp(repeat->id, event->id) == 0 && strcmp(repeat->module, event->module) == 0;
}

static bool is_over(const struct repeat *repeat, int64_t now_ns)
{
	return now_ns - repeat->since_ns >= repeat->window_ns;
}

/* Nothing is lost by forgetting it. */
static bool is_free(const struct repeat *repeat, int64_t now_ns)
{
	return repeat->id[0] == '\0' || (repeat->held == 0 && is_over(repeat, now_ns));
}

static struct repeat *find(struct repeats *repeats, const struct repeats_event *event)
{
	for (int i = 0; i < REPEATS_MAX; i++)
		if (is_of(&repeats->list[i], event))
			return &repeats->list[i];
	return NULL;
}

static struct repeat *find_room(struct repeats *repeats, int64_t now_ns)
{
	for (int i = 0; i < REPEATS_MAX; i++)
		if (is_free(&repeats->list[i], now_ns))
			return &repeats->list[i];
	return NULL;
}

static void begin(struct repeat *repeat, int64_t now_ns, int64_t window_ns)
{
	repeat->since_ns = now_ns;
	repeat->window_ns = window_ns;
	repeat->told = repeat->held = 0;
}

static struct repeat *begin_kind(
	struct repeats *repeats, const struct repeats_event *event, int64_t now_ns)
{
	struct repeat *repeat = find_room(repeats, now_ns);

	if (repeat == NULL || strlen(event->id) >= sizeof(repeat->id))
		return NULL;
	(void)snprintf(repeat->id, sizeof(repeat->id), "%s", event->id);
	(void)snprintf(repeat->module, sizeof(repeat->module), "%s", event->module);
	begin(repeat, now_ns, REPEATS_WINDOW_NS);
	return repeat;
}

bool repeats_is_told(struct repeats *repeats, const struct repeats_event *event, int64_t now_ns)
{
	struct repeat *repeat = find(repeats, event);

	if (repeat == NULL)
		repeat = begin_kind(repeats, event, now_ns);
	if (repeat == NULL)
		return true; /* more kinds than can be counted */
	if (repeat->held == 0 && is_over(repeat, now_ns))
		begin(repeat, now_ns, REPEATS_WINDOW_NS);
	if (repeat->told < REPEATS_FREE) {
		repeat->told++;
		return true;
	}
	repeats->held_kinds += repeat->held++ == 0;
	repeat->severity = event->severity;
	(void)snprintf(repeat->sentence, sizeof(repeat->sentence), "%s", event->sentence);
	return false;
}

bool repeats_take(struct repeats *repeats, int64_t now_ns, bool is_end, struct repeat *out_repeat)
{
	for (int i = 0; repeats->held_kinds > 0 && i < REPEATS_MAX; i++) {
		struct repeat *repeat = &repeats->list[i];
		if (repeat->held == 0 || (!is_end && !is_over(repeat, now_ns)))
			continue;
		*out_repeat = *repeat;
		repeats->held_kinds--;
		begin(repeat, now_ns, MIN_OF(2 * repeat->window_ns, REPEATS_WINDOW_NS_MAX));
		repeat->told = REPEATS_FREE - REPEATS_FREE_LATER; /* it is no great news any more */
		return true;
	}
	return false;
}
