// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for waiting for page-table walks, on real CPUs. They are init tests:
 * nobody else walks or waits before the first user task.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/lazy_tlb_counters.h>
#include <linux/mmu_context.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include <asm/tlbflush.h>

#include "table_sync.h"

static enum table_sync_mode saved_mode;

/* Names that nobody follows. */
#define MM_A	((struct mm_struct *)0x1000UL)
#define MM_B	((struct mm_struct *)0x2000UL)

static unsigned long events(enum table_sync_event ev)
{
	return lazy_tlb_counter_sum(&table_sync_stats.event[ev]);
}

static int table_sync_test_init(struct kunit *test)
{
	saved_mode = table_sync_get_mode();
	current->tables_flushed = NULL;
	return 0;
}

static void table_sync_test_exit(struct kunit *test)
{
	table_sync_set_mode(saved_mode);
}

/* A CPU other than the one we are on, which may change. */
static unsigned int other_cpu(struct kunit *test)
{
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	return cpumask_last(cpu_online_mask);
}

/* The marker covers the outer walk at every moment, and is what it was afterwards. */
static void marker_nests(struct kunit *test)
{
	struct mm_struct *marker = NULL, *one, *two, *three;

	one = table_walk_publish(&marker, MM_A);
	KUNIT_EXPECT_NULL(test, one);
	KUNIT_EXPECT_PTR_EQ(test, marker, MM_A);

	/* The same mm, and the same again. */
	two = table_walk_publish(&marker, MM_A);
	KUNIT_EXPECT_PTR_EQ(test, marker, MM_A);
	three = table_walk_publish(&marker, MM_A);
	KUNIT_EXPECT_PTR_EQ(test, marker, MM_A);
	smp_store_release(&marker, three);	/* as table_walk_end() */
	smp_store_release(&marker, two);	/* as table_walk_end() */
	KUNIT_EXPECT_PTR_EQ(test, marker, MM_A);

	/* Another one, and inside of it the first: any, until it ends. */
	two = table_walk_publish(&marker, MM_B);
	KUNIT_EXPECT_PTR_EQ(test, marker, TABLE_WALK_ANY);
	three = table_walk_publish(&marker, MM_A);
	KUNIT_EXPECT_PTR_EQ(test, marker, TABLE_WALK_ANY);
	smp_store_release(&marker, three);	/* as table_walk_end() */
	KUNIT_EXPECT_PTR_EQ(test, marker, TABLE_WALK_ANY);
	smp_store_release(&marker, two);	/* as table_walk_end() */
	KUNIT_EXPECT_PTR_EQ(test, marker, MM_A);
	smp_store_release(&marker, one);	/* as table_walk_end() */
	KUNIT_EXPECT_NULL(test, marker);
}

static const enum table_sync_mode interrupting_modes[] = {
	TABLE_SYNC_BROADCAST, TABLE_SYNC_TRACKED,
#ifdef CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING
	TABLE_SYNC_RUNNING,
#endif
};

static void mode_desc(const enum table_sync_mode *mode, char *desc)
{
	static const char * const names[] = {
		"broadcast", "rcu", "tracked", "running", "none",
	};

	strscpy(desc, names[*mode], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(mode, interrupting_modes, mode_desc);

/* A marked walk is found in every mode, a task's in tracked only. */
static void cpus_by_marker(struct kunit *test)
{
	enum table_sync_mode mode = *(const enum table_sync_mode *)test->param_value;
	smp_cond_func_t cond = table_sync_cond(mode);
	bool all = mode == TABLE_SYNC_BROADCAST;
	unsigned int cpu = other_cpu(test);
	struct table_walk *walk = per_cpu_ptr(&table_walk, cpu);

	KUNIT_EXPECT_EQ(test, cond(cpu, MM_A), all);

	walk->marked = MM_A;
	KUNIT_EXPECT_TRUE(test, cond(cpu, MM_A));
	KUNIT_EXPECT_EQ(test, cond(cpu, MM_B), all);
	walk->marked = TABLE_WALK_ANY;
	KUNIT_EXPECT_TRUE(test, cond(cpu, MM_A));
	KUNIT_EXPECT_TRUE(test, cond(cpu, MM_B));
	walk->marked = NULL;

	walk->task = MM_A;
	KUNIT_EXPECT_EQ(test, cond(cpu, MM_A), all || mode == TABLE_SYNC_TRACKED);
	KUNIT_EXPECT_EQ(test, cond(cpu, MM_B), all);
	walk->task = TABLE_WALK_ANY;
	KUNIT_EXPECT_EQ(test, cond(cpu, MM_B), all || mode == TABLE_SYNC_TRACKED);
	walk->task = NULL;
}

/* A task that has a CPU for itself, with an mm. We are on another one then. */
struct runner {
	struct mm_struct *mm;
	struct completion in_place;
	bool stop;
};

static int runner_fn(void *data)
{
	struct runner *runner = data;

	kthread_use_mm(runner->mm);
	/* Nobody else becomes current, and no grace period ends. */
	preempt_disable();
	complete(&runner->in_place);
	while (!READ_ONCE(runner->stop))
		cpu_relax();
	preempt_enable();
	kthread_unuse_mm(runner->mm);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static struct task_struct *start_runner(struct kunit *test, struct runner *runner,
					unsigned int cpu)
{
	struct task_struct *task;

	runner->mm = mm_alloc();
	runner->stop = false;
	KUNIT_ASSERT_NOT_NULL(test, runner->mm);
	init_completion(&runner->in_place);
	task = kthread_create_on_cpu(runner_fn, runner, cpu, "table_sync_run/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	wake_up_process(task);
	wait_for_completion(&runner->in_place);
	return task;
}

/* An mm without a mapping, and without exit_mmap(). */
static void stop_runner(struct runner *runner, struct task_struct *task)
{
	WRITE_ONCE(runner->stop, true);
	kthread_stop(task);
	atomic_set(&runner->mm->mm_users, 0);
	mmdrop(runner->mm);
}

/* A sync of a running mm interrupts its CPU and no other, other mms' nobody. */
static void running_is_targeted(struct kunit *test)
{
	unsigned int cpu = other_cpu(test);
	struct mm_struct *other;
	unsigned long ipis, spared;
	struct task_struct *task;
	struct runner runner;

	if (!IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING))
		kunit_skip(test, "not allowed here");
	other = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, other);
	table_sync_set_mode(TABLE_SYNC_RUNNING);
	task = start_runner(test, &runner, cpu);
	KUNIT_EXPECT_TRUE(test, table_sync_cond(TABLE_SYNC_RUNNING)(cpu, runner.mm));
	KUNIT_EXPECT_FALSE(test, table_sync_cond(TABLE_SYNC_RUNNING)(cpu, other));

	ipis = events(TABLE_SYNC_EV_IPIS);
	spared = events(TABLE_SYNC_EV_IPIS_SPARED);
	tlb_remove_table_sync_mm(runner.mm, 0);
	KUNIT_EXPECT_EQ(test, events(TABLE_SYNC_EV_IPIS) - ipis, 1UL);
	KUNIT_EXPECT_EQ(test, events(TABLE_SYNC_EV_IPIS_SPARED) - spared,
			num_online_cpus() - 2UL);

	ipis = events(TABLE_SYNC_EV_IPIS);
	tlb_remove_table_sync_mm(other, 0);
	KUNIT_EXPECT_EQ(test, events(TABLE_SYNC_EV_IPIS), ipis);

	stop_runner(&runner, task);
	atomic_set(&other->mm_users, 0);
	mmdrop(other);
}

/* Never nothing: without an mm everybody is interrupted, in every mode. */
static void no_mm_is_broadcast(struct kunit *test)
{
	enum table_sync_mode mode = *(const enum table_sync_mode *)test->param_value;
	unsigned long ipis, broadcasts;

	table_sync_set_mode(mode);
	ipis = events(TABLE_SYNC_EV_IPIS);
	broadcasts = events(TABLE_SYNC_EV_BROADCAST);
	table_sync_flushed(NULL, true);
	tlb_remove_table_sync_mm(NULL, TABLE_SYNC_CAN_SLEEP);
	KUNIT_EXPECT_EQ(test, events(TABLE_SYNC_EV_BROADCAST) - broadcasts, 1UL);
	KUNIT_EXPECT_EQ(test, events(TABLE_SYNC_EV_IPIS) - ipis, num_online_cpus() - 1UL);
}

/* A grace period for those that may sleep, interrupts for the others. */
static void rcu_falls_back(struct kunit *test)
{
	enum table_sync_event ev = IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING) ?
				   TABLE_SYNC_EV_TARGETED : TABLE_SYNC_EV_BROADCAST;
	unsigned long interrupting, grace;

	table_sync_set_mode(TABLE_SYNC_RCU);
	interrupting = events(ev);
	grace = events(TABLE_SYNC_EV_GRACE_PERIOD);
	tlb_remove_table_sync_mm(MM_A, TABLE_SYNC_CAN_SLEEP);
	KUNIT_EXPECT_EQ(test, events(TABLE_SYNC_EV_GRACE_PERIOD) - grace, 1UL);
	KUNIT_EXPECT_EQ(test, events(ev), interrupting);
	preempt_disable();
	tlb_remove_table_sync_mm(MM_A, 0);
	preempt_enable();
	KUNIT_EXPECT_EQ(test, events(TABLE_SYNC_EV_GRACE_PERIOD) - grace, 1UL);
	KUNIT_EXPECT_EQ(test, events(ev) - interrupting, 1UL);
}

/* How many waits are skipped if this one is. */
static unsigned long skips(struct mm_struct *mm)
{
	unsigned long skipped = events(TABLE_SYNC_EV_SKIPPED);

	tlb_remove_table_sync_mm(mm, 0);
	return events(TABLE_SYNC_EV_SKIPPED) - skipped;
}

/*
 * A wait is skipped after a flush that has interrupted every CPU that uses the mm, and
 * after nothing else.
 */
static void flushed_is_skipped(struct kunit *test)
{
	enum table_sync_mode mode = *(const enum table_sync_mode *)test->param_value;
	unsigned long waits = table_sync_flush_waits();

	table_sync_set_mode(mode);

	/* No flush; one that lazy CPUs did not get; one of another mm. */
	table_sync_changed();
	KUNIT_EXPECT_EQ(test, skips(MM_A), 0UL);
	table_sync_changed();
	table_sync_flushed(MM_A, false);
	KUNIT_EXPECT_EQ(test, skips(MM_A), 0UL);
	table_sync_changed();
	table_sync_flushed(MM_B, true);
	KUNIT_EXPECT_EQ(test, skips(MM_A), 0UL);

	/* One that did it, once; one before the change. */
	table_sync_changed();
	table_sync_flushed(MM_A, true);
	KUNIT_EXPECT_EQ(test, skips(MM_A), waits);
	KUNIT_EXPECT_EQ(test, skips(MM_A), 0UL);
	table_sync_flushed(MM_A, true);
	table_sync_changed();
	KUNIT_EXPECT_EQ(test, skips(MM_A), 0UL);
}

/* What is marked is interrupted, skipped or not. */
static void marked_is_not_skipped(struct kunit *test)
{
	enum table_sync_mode mode = *(const enum table_sync_mode *)test->param_value;
	unsigned int cpu = other_cpu(test);
	struct table_walk *walk = per_cpu_ptr(&table_walk, cpu);
	unsigned long ipis;
	bool own;

	if (!table_sync_flush_waits())
		kunit_skip(test, "flushes don't wait here");
	table_sync_set_mode(mode);
	ipis = events(TABLE_SYNC_EV_IPIS);
	table_sync_flushed(MM_A, true);
	tlb_remove_table_sync_mm(MM_A, 0);
	KUNIT_EXPECT_EQ(test, events(TABLE_SYNC_EV_IPIS), ipis);

	walk->marked = MM_A;
	migrate_disable();
	own = smp_processor_id() == cpu;
	table_sync_flushed(MM_A, true);
	tlb_remove_table_sync_mm(MM_A, 0);
	migrate_enable();
	walk->marked = NULL;
	KUNIT_EXPECT_EQ(test, events(TABLE_SYNC_EV_IPIS) - ipis, own ? 0UL : 1UL);
}

/* The TLB flush of this architecture leaves a record if it has interrupted, only then. */
static void flush_tells(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();
	struct vm_area_struct vma = { .vm_mm = mm };

	KUNIT_ASSERT_NOT_NULL(test, mm);
	table_sync_changed();
	kthread_use_mm(mm);
	/* Of pages, and of tables: the latter is what a collapse does. */
	flush_tlb_page(&vma, 0);
	KUNIT_EXPECT_NULL(test, current->tables_flushed);
	flush_tlb_range(&vma, 0, PMD_SIZE);
	kthread_unuse_mm(mm);
	if (table_sync_flush_waits())
		KUNIT_EXPECT_PTR_EQ(test, current->tables_flushed, mm);
	table_sync_changed();
	KUNIT_EXPECT_NULL(test, current->tables_flushed);
	atomic_set(&mm->mm_users, 0);
	mmdrop(mm);
}

/* The last sharer alone waits only where its wait is a broadcast for certain. */
static void sharers(struct kunit *test)
{
	enum table_sync_mode mode = *(const enum table_sync_mode *)test->param_value;

	table_sync_set_mode(mode);
	KUNIT_EXPECT_EQ(test, table_sync_each_sharer(),
			mode != TABLE_SYNC_BROADCAST || table_sync_flush_waits());
}

/* From each mode to each: what it says, what is patched, what is left in markers. */
static void mode_changes(struct kunit *test)
{
	enum table_sync_mode last = IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING) ?
				    TABLE_SYNC_RUNNING : TABLE_SYNC_TRACKED;
	enum table_sync_mode from, to;

	for (from = 0; from <= last; from++) {
		for (to = 0; to <= last; to++) {
			unsigned int cpu;

			table_sync_set_mode(from);
			KUNIT_EXPECT_EQ(test, table_walk_tracked(),
					from == TABLE_SYNC_TRACKED);
			/* As a walk during which the code was patched leaves it. */
			if (from == TABLE_SYNC_TRACKED && to != from)
				per_cpu(table_walk.task, cpumask_last(cpu_online_mask)) = MM_A;
			table_sync_set_mode(to);
			KUNIT_EXPECT_EQ(test, table_sync_get_mode(), to);
			KUNIT_EXPECT_EQ(test, table_walk_tracked(), to == TABLE_SYNC_TRACKED);
			for_each_online_cpu(cpu)
				KUNIT_EXPECT_NULL(test, per_cpu(table_walk.task, cpu));
		}
	}
}

static struct kunit_case table_sync_test_cases[] = {
	KUNIT_CASE(marker_nests),
	KUNIT_CASE_PARAM(cpus_by_marker, mode_gen_params),
	KUNIT_CASE(running_is_targeted),
	KUNIT_CASE_PARAM(no_mm_is_broadcast, mode_gen_params),
	KUNIT_CASE(rcu_falls_back),
	KUNIT_CASE_PARAM(flushed_is_skipped, mode_gen_params),
	KUNIT_CASE_PARAM(marked_is_not_skipped, mode_gen_params),
	KUNIT_CASE(flush_tells),
	KUNIT_CASE_PARAM(sharers, mode_gen_params),
	KUNIT_CASE(mode_changes),
	{}
};

static struct kunit_suite table_sync_test_suite = {
	.name = "table_sync",
	.init = table_sync_test_init,
	.exit = table_sync_test_exit,
	.test_cases = table_sync_test_cases,
};

kunit_test_init_section_suite(table_sync_test_suite);
