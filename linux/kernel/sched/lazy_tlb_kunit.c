// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for borrowed address spaces, on real CPUs.
 *
 * They are init tests: before the first user task only kernel threads run, so a
 * CPU goes on borrowing what a test made it borrow until the test changes that,
 * and the counters move for the test alone.
 *
 * While one CPU spins until another one goes on, the test has hotplug locked.
 * stop_machine(), which the choice of a clock calls during boot, waits for that: it
 * would hold the other CPU until the spinning one stops, too, and that never happens.
 */
#include <kunit/test.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm_knobs.h>
#include <linux/workqueue.h>

#include "lazy_tlb.h"
#include "sched.h"

#define RACE_ROUNDS	1000

static const struct mm_choice_name all_schemes[] = { LAZY_TLB_SCHEME_NAMES };

static void scheme_desc(const struct mm_choice_name *scheme, char *desc)
{
	strscpy(desc, scheme->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(scheme, all_schemes, scheme_desc);

static enum lazy_tlb_scheme param_scheme(struct kunit *test)
{
	return ((const struct mm_choice_name *)test->param_value)->value;
}

static enum lazy_tlb_scheme saved_scheme;

static unsigned long events(enum lazy_tlb_event ev)
{
	return mm_counter_sum(&lazy_tlb_stats.event[ev]);
}

static unsigned long slot_of(unsigned int cpu)
{
	return READ_ONCE(per_cpu(lazy_tlb_slot.val, cpu));
}

/* An mm with one user and one reference, borrowed by nobody. */
static struct mm_struct *new_mm(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();

	KUNIT_ASSERT_NOT_NULL(test, mm);
	return mm;
}

/*
 * What is left of mmput() once exit_mmap() is done: the last reference goes. The
 * mm never had a mapping. No flush runs, so all is left to the final drop.
 */
static void drop_mm(struct mm_struct *mm)
{
	atomic_set(&mm->mm_users, 0);
	mmdrop(mm);
}

static long borrow_fn(void *mm)
{
	kthread_use_mm(mm);
	kthread_unuse_mm(mm);
	return 0;
}

static long leave_fn(void *unused)
{
	struct mm_struct *mm, *owned;

	local_irq_disable();
	mm = current->active_mm;
	current->active_mm = &init_mm;
	switch_mm_irqs_off(mm, &init_mm, current);
	owned = lazy_tlb_leave(mm);
	local_irq_enable();
	lazy_tlb_put(owned);
	return 0;
}

/* From here on kernel threads on @cpu run on @mm, as the scheme in force has it. */
static void borrow_on(unsigned int cpu, struct mm_struct *mm)
{
	work_on_cpu(cpu, borrow_fn, mm);
}

/* As a switch to a user task of another mm would. */
static void leave_on(unsigned int cpu)
{
	work_on_cpu(cpu, leave_fn, NULL);
}

static void leave_everywhere(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		leave_on(cpu);
}

/* Shootdown frees from a work item; give it ten seconds. */
static unsigned long wait_for_frees(unsigned long want)
{
	int i;

	for (i = 0; i < 500 && events(LAZY_TLB_EV_FINAL_FREE) < want; i++)
		msleep(20);
	return events(LAZY_TLB_EV_FINAL_FREE);
}

static int lazy_tlb_test_init(struct kunit *test)
{
	saved_scheme = lazy_tlb_get_scheme();
	leave_everywhere();
	return 0;
}

static void lazy_tlb_test_exit(struct kunit *test)
{
	lazy_tlb_set_scheme(saved_scheme);
	leave_everywhere();
}

/* The mask neither overlaps the mm_struct's bitmaps nor shares their lines. */
static void layout(struct kunit *test)
{
	struct mm_struct *mm = new_mm(test);
	unsigned long bitmaps_end = (unsigned long)mm + sizeof(*mm) +
				    cpumask_size() + mm_cid_size();

	KUNIT_EXPECT_EQ(test, (unsigned long)lazy_tlb_of(mm) % SMP_CACHE_BYTES, 0UL);
	KUNIT_EXPECT_GE(test, (unsigned long)lazy_tlb_of(mm), bitmaps_end);
	KUNIT_EXPECT_TRUE(test, cpumask_empty(lazy_tlb_borrowers(mm)));
	drop_mm(mm);
}

/* Slot, count and mask after enter and after leave, on every CPU. */
static void enter_and_leave(struct kunit *test)
{
	enum lazy_tlb_scheme scheme = param_scheme(test);
	bool masked = scheme == LAZY_TLB_HAZARD || scheme == LAZY_TLB_SHOOTDOWN;
	struct mm_struct *mm = new_mm(test);
	unsigned long frees = events(LAZY_TLB_EV_FINAL_FREE);
	unsigned int cpu;

	lazy_tlb_set_scheme(scheme);
	for_each_online_cpu(cpu) {
		unsigned long entered = events(LAZY_TLB_EV_ENTER);
		unsigned long counted = events(LAZY_TLB_EV_COUNTED);
		unsigned long want = 0;

		if (scheme == LAZY_TLB_REFCOUNT)
			want = (unsigned long)mm | LAZY_TLB_OWNED;
		else if (masked)
			want = (unsigned long)mm;

		borrow_on(cpu, mm);
		KUNIT_EXPECT_EQ(test, slot_of(cpu), want);
		KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_count),
				scheme == LAZY_TLB_REFCOUNT ? 2 : 1);
		KUNIT_EXPECT_EQ(test, cpumask_test_cpu(cpu, lazy_tlb_borrowers(mm)), masked);

		leave_on(cpu);
		KUNIT_EXPECT_EQ(test, slot_of(cpu), 0UL);
		KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_count), 1);
		/* Sticky. */
		KUNIT_EXPECT_EQ(test, cpumask_test_cpu(cpu, lazy_tlb_borrowers(mm)), masked);
		/* Once, and whenever the worker was preempted while it had the mm. */
		entered = events(LAZY_TLB_EV_ENTER) - entered;
		KUNIT_EXPECT_GE(test, entered, 1UL);
		KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_COUNTED) - counted,
				scheme == LAZY_TLB_REFCOUNT ? 2 * entered : 0UL);
	}
	drop_mm(mm);
	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_FINAL_FREE), frees + 1);
}

/*
 * @cpus CPUs borrow an mm under @from, the last reference goes under @to. Freed
 * at once, by the shootdown, or by the last one to leave; in any case once.
 */
static void final_drop(struct kunit *test, enum lazy_tlb_scheme from,
		       enum lazy_tlb_scheme to, unsigned int cpus)
{
	bool slots = from == LAZY_TLB_HAZARD || from == LAZY_TLB_SHOOTDOWN;
	unsigned long frees = events(LAZY_TLB_EV_FINAL_FREE);
	unsigned long handoffs = events(LAZY_TLB_EV_HANDOFF);
	unsigned long looked_at = events(LAZY_TLB_EV_LOOKED_AT);
	struct mm_struct *mm = new_mm(test);
	unsigned int cpu, n = 0, left = cpus;

	lazy_tlb_set_scheme(from);
	for_each_online_cpu(cpu) {
		if (n++ == cpus)
			break;
		borrow_on(cpu, mm);
	}
	lazy_tlb_set_scheme(to);
	drop_mm(mm);

	if (!cpus || from == LAZY_TLB_NONE || (slots && to == LAZY_TLB_SHOOTDOWN)) {
		KUNIT_EXPECT_EQ(test, wait_for_frees(frees + 1), frees + 1);
		KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_HANDOFF), handoffs);
		for_each_online_cpu(cpu)
			KUNIT_EXPECT_EQ(test, slot_of(cpu), 0UL);
		return;
	}

	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_HANDOFF) - handoffs,
			slots ? (unsigned long)cpus : 0UL);
	/* CPUs that have not borrowed it cost nothing. */
	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_LOOKED_AT) - looked_at,
			slots ? (unsigned long)cpus : 0UL);
	for_each_online_cpu(cpu) {
		if (!left)
			break;
		KUNIT_EXPECT_EQ(test, slot_of(cpu), (unsigned long)mm | LAZY_TLB_OWNED);
		KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_count), (int)left);
		KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_FINAL_FREE), frees);
		leave_on(cpu);
		left--;
	}
	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_FINAL_FREE), frees + 1);
}

static void final_drop_after_switch(struct kunit *test)
{
	enum lazy_tlb_scheme from = param_scheme(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(all_schemes); i++) {
		final_drop(test, from, all_schemes[i].value, 0);
		final_drop(test, from, all_schemes[i].value, 1);
		final_drop(test, from, all_schemes[i].value, num_online_cpus());
	}
}

/* A reference made under one scheme is given back under any other. */
static void leave_after_switch(struct kunit *test)
{
	enum lazy_tlb_scheme from = param_scheme(test);
	unsigned int cpu = cpumask_last(cpu_online_mask);
	int i;

	for (i = 0; i < ARRAY_SIZE(all_schemes); i++) {
		unsigned long frees = events(LAZY_TLB_EV_FINAL_FREE);
		struct mm_struct *mm = new_mm(test);

		lazy_tlb_set_scheme(from);
		borrow_on(cpu, mm);
		lazy_tlb_set_scheme(all_schemes[i].value);
		leave_on(cpu);
		KUNIT_EXPECT_EQ(test, slot_of(cpu), 0UL);
		KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_count), 1);
		drop_mm(mm);
		KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_FINAL_FREE), frees + 1);
	}
}

/* What the last flush of an address space does on a CPU that is lazy on it. */
struct flush_arg {
	struct mm_struct *mm;
	bool users;
};

static long exit_flush_fn(void *data)
{
	struct flush_arg *arg = data;

	local_irq_disable();
	if (arg->mm)
		atomic_set(&arg->mm->mm_users, arg->users);
	lazy_tlb_exit_flush(arg->mm);
	local_irq_enable();
	return 0;
}

static void exit_flush(struct kunit *test)
{
	enum lazy_tlb_scheme scheme = param_scheme(test);
	unsigned long piggyback = events(LAZY_TLB_EV_PIGGYBACK);
	unsigned long frees = events(LAZY_TLB_EV_FINAL_FREE);
	unsigned int cpu = cpumask_last(cpu_online_mask);
	struct mm_struct *mm = new_mm(test);
	struct flush_arg arg = { .mm = mm, .users = true };
	unsigned long before;

	lazy_tlb_set_scheme(scheme);
	borrow_on(cpu, mm);
	before = slot_of(cpu);

	/* Not the last flush: the mm has users, the CPU goes on borrowing. */
	work_on_cpu(cpu, exit_flush_fn, &arg);
	KUNIT_EXPECT_EQ(test, slot_of(cpu), before);

	/* Nor is that of no mm. */
	arg.mm = NULL;
	work_on_cpu(cpu, exit_flush_fn, &arg);
	KUNIT_EXPECT_EQ(test, slot_of(cpu), before);
	arg.mm = mm;

	arg.users = false;
	work_on_cpu(cpu, exit_flush_fn, &arg);
	KUNIT_EXPECT_EQ(test, slot_of(cpu), 0UL);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_count), 1);
	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_PIGGYBACK) - piggyback,
			scheme == LAZY_TLB_NONE ? 0UL : 1UL);
	drop_mm(mm);
	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_FINAL_FREE), frees + 1);
}

/*
 * A kernel thread that is on other page tables for a while and comes back, as in an
 * EFI call: whoever wants to take the borrowed mm away has to leave the slot to handoff.
 */
struct absence {
	struct work_struct work;
	struct mm_struct *mm;
	unsigned long after_flush;
	bool away, back;
};

static void absence_work(struct work_struct *work)
{
	struct absence *absence = container_of(work, struct absence, work);
	struct mm_struct *mm = absence->mm;

	borrow_fn(mm);
	/* Nobody else becomes current, and interrupts are on while it is away. */
	preempt_disable();
	local_irq_disable();
	current->active_mm = &init_mm;
	switch_mm_irqs_off(mm, &init_mm, current);
	atomic_set(&mm->mm_users, 0);
	lazy_tlb_exit_flush(mm);
	absence->after_flush = this_cpu_read(lazy_tlb_slot.val);
	local_irq_enable();

	smp_store_release(&absence->away, true);	/* after_flush was written */
	while (!READ_ONCE(absence->back))
		cpu_relax();

	local_irq_disable();
	current->active_mm = mm;
	switch_mm_irqs_off(&init_mm, mm, current);
	enter_lazy_tlb(mm, current);
	local_irq_enable();
	preempt_enable();
}

static void shootdown_of_an_absent(struct kunit *test)
{
	unsigned long frees = events(LAZY_TLB_EV_FINAL_FREE);
	unsigned long handoffs = events(LAZY_TLB_EV_HANDOFF);
	unsigned long received = events(LAZY_TLB_EV_SHOOTDOWN_RECEIVED);
	struct absence absence = { };
	unsigned int cpu, i;
	unsigned long val;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");

	absence.mm = new_mm(test);
	val = (unsigned long)absence.mm;
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	migrate_disable();
	cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	INIT_WORK_ONSTACK(&absence.work, absence_work);
	cpus_write_lock();
	queue_work_on(cpu, system_highpri_wq, &absence.work);
	while (!smp_load_acquire(&absence.away))	/* then after_flush is there */
		usleep_range(1, 20);
	KUNIT_EXPECT_EQ(test, absence.after_flush, val);

	drop_mm(absence.mm);
	for (i = 0; i < 500 && events(LAZY_TLB_EV_HANDOFF) == handoffs; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_HANDOFF), handoffs + 1);
	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_SHOOTDOWN_RECEIVED), received + 1);
	KUNIT_EXPECT_EQ(test, slot_of(cpu), val | LAZY_TLB_OWNED);
	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_FINAL_FREE), frees);

	WRITE_ONCE(absence.back, true);
	flush_work(&absence.work);
	cpus_write_unlock();
	destroy_work_on_stack(&absence.work);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, slot_of(cpu), val | LAZY_TLB_OWNED);
	leave_on(cpu);
	KUNIT_EXPECT_EQ(test, slot_of(cpu), 0UL);
	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_FINAL_FREE), frees + 1);
}

/* A leave on one CPU that races with the final drop on another. */
struct race {
	struct mm_struct *mm;
	atomic_t go;
};

static long racing_leave_fn(void *data)
{
	struct race *race = data;

	atomic_inc(&race->go);
	while (atomic_read(&race->go) < 2)
		cpu_relax();
	return leave_fn(NULL);
}

struct racing_leave {
	struct work_struct work;
	struct race *race;
};

static void racing_leave_work(struct work_struct *work)
{
	racing_leave_fn(container_of(work, struct racing_leave, work)->race);
}

static void leave_races_with_handoff(struct kunit *test)
{
	enum lazy_tlb_scheme scheme = param_scheme(test);
	unsigned long frees = events(LAZY_TLB_EV_FINAL_FREE);
	unsigned long handoffs = events(LAZY_TLB_EV_HANDOFF);
	unsigned int cpu, i, spin;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");

	lazy_tlb_set_scheme(scheme);
	for (i = 0; i < RACE_ROUNDS; i++) {
		struct race race = { .mm = new_mm(test) };
		struct racing_leave leave = { .race = &race };

		/* Stay where we are while the other CPU is chosen and raced. */
		migrate_disable();
		cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
		borrow_on(cpu, race.mm);

		INIT_WORK_ONSTACK(&leave.work, racing_leave_work);
		cpus_write_lock();
		queue_work_on(cpu, system_highpri_wq, &leave.work);
		/*
		 * Before the worker starts, its pool may want another one, which
		 * kthreadd makes: perhaps on this CPU. In a guest, the worker may
		 * need the real CPU that this one runs on.
		 */
		while (!atomic_read(&race.go))
			usleep_range(1, 20);
		atomic_inc(&race.go);
		/* From "the drop is first" to "the leave is first". */
		for (spin = i % 512; spin; spin--)
			cpu_relax();
		drop_mm(race.mm);
		cpus_write_unlock();
		migrate_enable();

		flush_work(&leave.work);
		destroy_work_on_stack(&leave.work);
	}
	KUNIT_EXPECT_EQ(test, wait_for_frees(frees + RACE_ROUNDS), frees + RACE_ROUNDS);
	kunit_info(test, "%u rounds, %lu handoffs\n", RACE_ROUNDS,
		   events(LAZY_TLB_EV_HANDOFF) - handoffs);
}

/* Handoff must find what was borrowed before a CPU went offline, and hotplug free it. */
static void offline_while_borrowing(struct kunit *test)
{
#ifdef CONFIG_HOTPLUG_CPU
	enum lazy_tlb_scheme scheme = param_scheme(test);
	unsigned int cpu = cpumask_last(cpu_online_mask);
	struct mm_struct *mm;
	unsigned long frees;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");

	mm = new_mm(test);
	lazy_tlb_set_scheme(scheme);
	borrow_on(cpu, mm);
	KUNIT_ASSERT_EQ(test, remove_cpu(cpu), 0);
	KUNIT_EXPECT_EQ(test, slot_of(cpu), 0UL);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_count), 1);
	/* A CPU that goes may have an mm of its own, as that of powerpc's code patching. */
	frees = events(LAZY_TLB_EV_FINAL_FREE);
	drop_mm(mm);
	KUNIT_EXPECT_EQ(test, events(LAZY_TLB_EV_FINAL_FREE), frees + 1);
	KUNIT_ASSERT_EQ(test, add_cpu(cpu), 0);
#else
	kunit_skip(test, "needs CPU hotplug");
#endif
}

#ifdef CONFIG_MEMBARRIER
/* What a CPU keeps of membarrier(2) for the mm that it runs on. */
struct membarrier_copy {
	struct mm_struct *mm, *active_mm;
	int state;
};

static long use_and_look_fn(void *data)
{
	struct membarrier_copy *copy = data;

	borrow_fn(copy->mm);
	preempt_disable();
	copy->active_mm = current->active_mm;
	copy->state = this_rq()->membarrier_state;
	preempt_enable();
	return 0;
}

/* The copy belongs to the active mm: no switch renews it when a user of that comes back. */
static void membarrier_state_stays(struct kunit *test)
{
	enum lazy_tlb_scheme scheme = param_scheme(test);
	unsigned int cpu = cpumask_last(cpu_online_mask);
	struct membarrier_copy copy = { .mm = new_mm(test) };

	lazy_tlb_set_scheme(scheme);
	atomic_set(&copy.mm->membarrier_state, MEMBARRIER_STATE_GLOBAL_EXPEDITED);
	work_on_cpu(cpu, use_and_look_fn, &copy);
	KUNIT_EXPECT_EQ(test, copy.active_mm == copy.mm, scheme != LAZY_TLB_NONE);
	if (copy.active_mm == copy.mm)
		KUNIT_EXPECT_EQ(test, copy.state, MEMBARRIER_STATE_GLOBAL_EXPEDITED);
	leave_on(cpu);
	drop_mm(copy.mm);
}
#endif

static struct kunit_case lazy_tlb_test_cases[] = {
	KUNIT_CASE(layout),
	KUNIT_CASE_PARAM(enter_and_leave, scheme_gen_params),
	KUNIT_CASE_PARAM(final_drop_after_switch, scheme_gen_params),
	KUNIT_CASE_PARAM(leave_after_switch, scheme_gen_params),
	KUNIT_CASE_PARAM(exit_flush, scheme_gen_params),
#ifdef CONFIG_MEMBARRIER
	KUNIT_CASE_PARAM(membarrier_state_stays, scheme_gen_params),
#endif
	KUNIT_CASE(shootdown_of_an_absent),
	KUNIT_CASE_PARAM_ATTR(leave_races_with_handoff, scheme_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(offline_while_borrowing, scheme_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite lazy_tlb_test_suite = {
	.name = "lazy_tlb",
	.init = lazy_tlb_test_init,
	.exit = lazy_tlb_test_exit,
	.test_cases = lazy_tlb_test_cases,
};

kunit_test_init_section_suite(lazy_tlb_test_suite);
