#include "core/writing.h"

#include "base/macros.h"
#include "core/instance.h"

#define WRITE_RETRY_NS (NS_PER_S)

static void write(struct core *core, struct instance *instance)
{
	struct action *action = action_add(core, instance, ACTION_WRITE_RECORD);

	action->write_record.record = instance->writing.record;
	action->write_record.is_awaited = instance->kind->awaits_record;
	instance->writing.begun_ns = core->now_ns;
}

void writing_begin(struct core *core, struct instance *instance, const struct record *next)
{
	struct writing *writing = &instance->writing;

	CHECK(!writing->is_open);
	CHECK(next->history_count <= GENERATION_HISTORY);
	writing->record = *next;
	writing->is_open = true;
	writing->is_failed = false;
	writing->first_ns = core->now_ns;
	write(core, instance);
}

static void on_failed(struct core *core, struct instance *instance)
{
	struct writing *writing = &instance->writing;

	if (!writing->is_in_trouble)
		text_add(log_add(core, instance, "record.failed", SEVERITY_ERROR),
			instance->kind->awaits_record
				? "the state file cannot be written; nothing goes on before it "
				  "can: look at the disk that holds the state directory"
				: "the state file cannot be written, so what was commanded last "
				  "may be forgotten at the next boot: look at the disk that holds "
				  "the state directory");
	writing->is_failed = true;
	writing->is_in_trouble = true;
	writing->begun_ns = core->now_ns;
}

bool writing_is_stuck(struct core *core, struct instance *instance)
{
	struct writing *writing = &instance->writing;

	if (!writing->is_open || writing->is_failed ||
		!has_passed(core, instance, writing->begun_ns, WRITING_STUCK_NS))
		return false;
	if (!writing->is_stuck_said)
		text_add(log_add(core, instance, "record.stuck", SEVERITY_ERROR),
			"the record of this module has been on its way to the disk of the state "
			"directory for seconds: that disk hangs; nothing that rests on the record "
			"is done here before it answers: look at that disk (dmesg), end what "
			"holds it up, or cut this node's power");
	writing->is_stuck_said = true;
	return true;
}

static void on_answered(struct core *core, struct instance *instance)
{
	if (instance->writing.is_stuck_said)
		text_add(log_add(core, instance, "record.answered", SEVERITY_INFO),
			"the disk of the state directory has answered");
	instance->writing.is_stuck_said = false;
}

void writing_on_written(struct core *core, struct instance *instance, int error)
{
	struct writing *writing = &instance->writing;

	if (!writing->is_open)
		return;
	on_answered(core, instance);
	if (error != 0) {
		on_failed(core, instance);
		return;
	}
	writing->is_open = false;
	writing->is_failed = false;
	writing->is_in_trouble = false;
	writing->took_ns = core->now_ns - writing->first_ns;
	instance->record = writing->record;
	writing->stamp++;
}

bool writing_retry(struct core *core, struct instance *instance)
{
	struct writing *writing = &instance->writing;

	CHECK(writing->is_open && writing->is_failed);
	if (!has_passed(core, instance, writing->begun_ns, WRITE_RETRY_NS))
		return false;
	writing->is_failed = false;
	write(core, instance);
	return true;
}

void writing_abandon(struct instance *instance)
{
	CHECK(instance->writing.is_open && instance->writing.is_failed);
	instance->writing.is_open = false;
	instance->writing.is_failed = false;
}
