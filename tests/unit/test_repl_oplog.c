#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "repl/oplog.h"

#define SIZE_MIN (OPLOG_HEADER_SIZE + OP_SIZE_MAX + 1)
#define SIZE	 (OPLOG_HEADER_SIZE + OP_SIZE_MAX + 8192)

static _Alignas(4096) uint8_t memory[SIZE];
static uint8_t payload[WRITE_SIZE_MAX];

static struct op write_op(uint64_t sequence, size_t size)
{
	return (struct op){
		.type = OP_WRITE,
		.sequence = sequence,
		.object = 1,
		.data = { .data = payload, .size = size },
	};
}

static int append(struct oplog *log, uint64_t sequence, size_t size)
{
	struct op op = write_op(sequence, size);

	return oplog_append(log, &op);
}

/* All records from head on are the sequences first..last, and nothing else. */
static void assert_holds(const struct oplog *log, uint64_t first, uint64_t last)
{
	struct oplog_cursor cursor = { .position = log->header->head };
	struct bytes encoded;
	uint64_t sequence = first;

	assert_int_equal(log->header->first_sequence, first);
	assert_int_equal(log->header->next_sequence, last + 1);
	while (oplog_next(log, &cursor, &encoded)) {
		struct op op;
		size_t size;
		assert_int_equal(op_decode(encoded, &op, &size), 0);
		assert_int_equal(op.sequence, sequence);
		sequence++;
	}
	assert_int_equal(sequence, last + 1);
}

static void what_is_appended_is_read_in_order(void **state)
{
	(void)state;
	struct oplog log;

	oplog_format(&log, memory, sizeof(memory), 77, 5);
	assert_int_equal(log.header->session, 77);
	assert_holds(&log, 5, 4);
	for (uint64_t sequence = 5; sequence < 15; sequence++)
		assert_int_equal(append(&log, sequence, (size_t)sequence), 0);
	assert_holds(&log, 5, 14);
	assert_int_equal(append(&log, 14, 0), -ERROR_INVALID);
	assert_int_equal(append(&log, 16, 0), -ERROR_INVALID);
	assert_holds(&log, 5, 14);
}

static void what_came_encoded_is_kept_as_it_is(void **state)
{
	(void)state;
	static uint8_t encoded[1024];
	struct oplog log;
	struct op op = write_op(1, 300);
	struct bytes bytes = { .data = encoded }, back;

	oplog_format(&log, memory, sizeof(memory), 1, 1);
	assert_int_equal(op_encode(&op, encoded, sizeof(encoded), &bytes.size), 0);
	assert_int_equal(oplog_append_encoded(&log, &op, bytes), 0);
	assert_int_equal(oplog_append_encoded(&log, &op, bytes), -ERROR_INVALID);
	struct oplog_cursor cursor = { 0 };
	assert_true(oplog_next(&log, &cursor, &back));
	assert_int_equal(back.size, bytes.size);
	assert_memory_equal(back.data, encoded, bytes.size);
}

static void a_full_log_says_so_until_it_is_trimmed(void **state)
{
	(void)state;
	struct oplog log;
	uint64_t sequence = 1;

	oplog_format(&log, memory, sizeof(memory), 1, 1);
	while (append(&log, sequence, 4096) == 0)
		sequence++;
	assert_in_range(sequence, 50, 70);
	assert_int_equal(append(&log, sequence, 4096), -ERROR_NO_BUFFERS);
	assert_holds(&log, 1, sequence - 1);
	oplog_trim(&log, 1);
	assert_holds(&log, 2, sequence - 1);
	int error = append(&log, sequence, 4096); /* the rest of the ring may be too short for it */
	if (error == -ERROR_NO_BUFFERS) {
		oplog_trim(&log, 2);
		error = append(&log, sequence, 4096);
	}
	assert_int_equal(error, 0);
}

static void the_largest_always_fits_an_empty_log(void **state)
{
	(void)state;
	struct oplog log;

	for (size_t first = 0; first < 3000; first += 8) {
		oplog_format(&log, memory, SIZE_MIN, 1, 1);
		assert_int_equal(append(&log, 1, first), 0);
		oplog_trim(&log, 1);
		assert_int_equal(append(&log, 2, WRITE_SIZE_MAX), 0);
		assert_holds(&log, 2, 2);
		assert_int_equal(append(&log, 3, WRITE_SIZE_MAX), -ERROR_NO_BUFFERS);
		oplog_trim(&log, 2);
		assert_int_equal(append(&log, 3, WRITE_SIZE_MAX), 0);
		assert_int_equal(oplog_attach(&log, memory, SIZE_MIN), 0);
		assert_holds(&log, 3, 3);
	}
}

static void it_goes_round_for_ever(void **state)
{
	(void)state;
	struct oplog log;
	uint64_t first = 1, next = 1, random = 12345;

	oplog_format(&log, memory, sizeof(memory), 1, 1);
	for (int i = 0; i < 20000; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		if (append(&log, next, (size_t)(random >> 40) % 9000) == 0)
			next++;
		else
			first += 1 + (random >> 33) % 20;
		first = first > next ? next : first;
		oplog_trim(&log, first - 1);
		if (i % 500 == 0) {
			assert_holds(&log, first, next - 1);
			assert_int_equal(oplog_attach(&log, memory, sizeof(memory)), 0);
			assert_holds(&log, first, next - 1);
		}
	}
	assert_true(log.header->tail > 20 * (uint64_t)SIZE);
}

static void seeking_finds_what_is_there(void **state)
{
	(void)state;
	struct oplog log;
	struct oplog_cursor cursor;
	struct bytes encoded;
	struct op op;
	size_t size;

	oplog_format(&log, memory, sizeof(memory), 1, 10);
	assert_int_equal(oplog_seek(&log, 10, &cursor), -ERROR_NOT_FOUND);
	for (uint64_t sequence = 10; sequence < 20; sequence++)
		assert_int_equal(append(&log, sequence, 10), 0);
	oplog_trim(&log, 12);
	assert_int_equal(oplog_seek(&log, 12, &cursor), -ERROR_NOT_FOUND);
	assert_int_equal(oplog_seek(&log, 20, &cursor), -ERROR_NOT_FOUND);
	for (uint64_t sequence = 13; sequence < 20; sequence++) {
		assert_int_equal(oplog_seek(&log, sequence, &cursor), 0);
		assert_true(oplog_next(&log, &cursor, &encoded));
		assert_int_equal(op_decode(encoded, &op, &size), 0);
		assert_int_equal(op.sequence, sequence);
	}
	assert_false(oplog_next(&log, &cursor, &encoded));
	assert_int_equal(append(&log, 20, 10), 0); /* a cursor at the end sees what comes later */
	assert_true(oplog_next(&log, &cursor, &encoded));
}

static void what_is_no_log_is_refused(void **state)
{
	(void)state;
	struct oplog log;

	memset(memory, 0, sizeof(memory));
	assert_int_equal(oplog_attach(&log, memory, sizeof(memory)), -ERROR_INVALID);
	oplog_format(&log, memory, sizeof(memory), 1, 1);
	assert_int_equal(append(&log, 1, 100), 0);
	assert_int_equal(append(&log, 2, 100), 0);
	assert_int_equal(oplog_attach(&log, memory, sizeof(memory)), 0);
	assert_int_equal(oplog_attach(&log, memory, sizeof(memory) - 8), -ERROR_INVALID);
	assert_int_equal(oplog_attach(&log, memory, SIZE_MIN - 1), -ERROR_INVALID);
	memory[OPLOG_HEADER_SIZE + 60] ^= 1;
	assert_int_equal(oplog_attach(&log, memory, sizeof(memory)), -ERROR_INVALID);
	memory[OPLOG_HEADER_SIZE + 60] ^= 1;
	log.header->tail += 8;
	assert_int_equal(oplog_attach(&log, memory, sizeof(memory)), -ERROR_INVALID);
	log.header->tail -= 8;
	log.header->head = log.header->tail + 8;
	assert_int_equal(oplog_attach(&log, memory, sizeof(memory)), -ERROR_INVALID);
	log.header->head = 0;
	log.header->version++;
	assert_int_equal(oplog_attach(&log, memory, sizeof(memory)), -ERROR_INVALID);
}

/* ---- a process that is killed between any two instructions ---- */

struct window { /* what may be found in the log while a child works on it */
	uint64_t first_min, first_max, last_min, last_max;
};

static void assert_valid_within(int fd, const struct window *window)
{
	struct oplog log;
	/* Private: what the successor repairs is not seen by the child that goes on. */
	void *copy = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	assert_ptr_not_equal(copy, MAP_FAILED);
	assert_int_equal(oplog_attach(&log, copy, SIZE), 0);
	assert_in_range(log.header->first_sequence, window->first_min, window->first_max);
	assert_in_range(log.header->next_sequence - 1, window->last_min, window->last_max);
	assert_holds(&log, log.header->first_sequence, log.header->next_sequence - 1);
	assert_int_equal(append(&log, log.header->next_sequence, 50), 0);
	assert_int_equal(munmap(copy, SIZE), 0);
}

static void step_through(int fd, void (*work)(struct oplog *log), const struct window *window)
{
	void *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct oplog log;
	int status = 0;

	assert_ptr_not_equal(shared, MAP_FAILED);
	assert_int_equal(oplog_attach(&log, shared, SIZE), 0);
	pid_t child = fork();
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(99);
		(void)raise(SIGSTOP);
		work(&log);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	int steps = 0;
	while (WIFSTOPPED(status)) {
		assert_valid_within(fd, window);
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		steps++;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_in_range(steps, 100, 10000000);
	assert_int_equal(munmap(shared, SIZE), 0);
}

static void work_append(struct oplog *log)
{
	struct op op = { .type = OP_LEASE, .sequence = 4 };

	CHECK(oplog_append(log, &op) == 0);
}

static void work_trim_all(struct oplog *log)
{
	oplog_trim(log, 3);
}

static void work_rewind(struct oplog *log)
{
	struct op op = { .type = OP_LEASE, .sequence = 4 };

	oplog_trim(log, 3);
	CHECK(oplog_append(log, &op) == 0);
}

static void a_kill_at_any_instruction_leaves_it_valid(void **state)
{
	(void)state;
	static const struct {
		void (*work)(struct oplog *log);
		bool is_at_the_end; /* the next record has to go to the ring's start */
		struct window window;
	} cases[] = {
		{ work_append, false, { 1, 1, 3, 4 } },
		{ work_append, true, { 1, 1, 3, 4 } },
		{ work_trim_all, false, { 1, 4, 3, 3 } },
		{ work_rewind, true, { 1, 4, 3, 4 } },
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct oplog log;
		int fd = memfd_create("oplog", MFD_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, SIZE), 0);
		void *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		oplog_format(&log, shared, SIZE, 1, 1);
		if (cases[i].is_at_the_end)
			log.header->head = log.header->tail = log.header->ring_size - 3 * 176;
		for (uint64_t sequence = 1; sequence <= 3; sequence++)
			assert_int_equal(append(&log, sequence, 0), 0);
		step_through(fd, cases[i].work, &cases[i].window);
		assert_int_equal(munmap(shared, SIZE), 0);
		assert_int_equal(close(fd), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_appended_is_read_in_order),
		cmocka_unit_test(what_came_encoded_is_kept_as_it_is),
		cmocka_unit_test(a_full_log_says_so_until_it_is_trimmed),
		cmocka_unit_test(the_largest_always_fits_an_empty_log),
		cmocka_unit_test(it_goes_round_for_ever),
		cmocka_unit_test(seeking_finds_what_is_there),
		cmocka_unit_test(what_is_no_log_is_refused),
		cmocka_unit_test(a_kill_at_any_instruction_leaves_it_valid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
