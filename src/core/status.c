/* What `status` shows of a module, in words: what every kind has around what its own kind says. */
#include "core/status.h"

void status_fill(
	const struct core *core, const struct instance *instance, struct status *out_status)
{
	bool is_stuck = instance->writing.is_stuck_said;
	bool is_in_trouble = instance->writing.is_in_trouble || is_stuck;
	struct summary summary = { 0 };

	instance->kind->show(instance, &summary);
	*out_status = (struct status){
		.state = summary.state,
		.readiness = summary.readiness,
		.record = instance->record,
	};
	if (is_stuck) {
		text_add(&out_status->now, "the disk of the state directory does not answer, for ");
		text_add_u64(&out_status->now,
			(uint64_t)((core->now_ns - instance->writing.begun_ns) / NS_PER_S));
		text_add(&out_status->now, " s; ");
	} else if (is_in_trouble) {
		text_add(&out_status->now, "the state file cannot be written; ");
	}
	if (instance->application.is_left)
		text_add(&out_status->now, "processes of the application cannot be ended "
					   "(`evenkeel log` names them), and nothing is started "
					   "beside them; ");
	/* The kind adds to what was observed. */
	sights_say(&instance->observation.sights, core->now_ns, &out_status->observed);
	instance->kind->say(core, instance, out_status);
	bool is_state_bad = sights_finding(&instance->observation.sights, LOOK_STATE,
				    core->now_ns) == FINDING_BAD;
	if (is_in_trouble || is_state_bad)
		sights_say_mend(LOOK_STATE, true, &out_status->to_do);
}
