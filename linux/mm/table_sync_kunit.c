// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for what waiting for page-table walks needs real CPUs for: interrupts, the
 * architecture's flush, and code that is patched. They are init tests, because nobody
 * else walks or waits before the first user task.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/mm_knobs.h>
#include <linux/mmu_context.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include <asm/tlbflush.h>

#include "table_sync.h"

static enum table_sync_mode saved_mode;

/* An mm in a marker, which nobody follows. */
#define MM_A	((struct mm_struct *)0x1000UL)

static unsigned long events(enum table_sync_event ev)
{
	return mm_counter_sum(&table_sync_stats.event[ev]);
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

/*
 * A task that has a CPU for itself, with an mm. We are on another one then, with hotplug
 * locked: stop_machine(), which the choice of a clock calls during boot, waits for that.
 * It would hold our CPU until the task's stops, too, and that never happens.
 */
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
	cpus_write_lock();
	wake_up_process(task);
	wait_for_completion(&runner->in_place);
	return task;
}

/* An mm without a mapping, and without exit_mmap(). */
static void stop_runner(struct runner *runner, struct task_struct *task)
{
	WRITE_ONCE(runner->stop, true);
	cpus_write_unlock();
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
	KUNIT_EXPECT_TRUE(test, table_sync_may_walk(TABLE_SYNC_RUNNING, false, cpu,
						    runner.mm));
	KUNIT_EXPECT_FALSE(test, table_sync_may_walk(TABLE_SYNC_RUNNING, false, cpu, other));

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

/* From each mode to each: what it says, what is patched, what is left in markers. */
static void mode_changes(struct kunit *test)
{
	enum table_sync_mode from, to;

	for (from = 0; from < TABLE_SYNC_NONE; from++) {
		for (to = 0; to < TABLE_SYNC_NONE; to++) {
			unsigned int cpu;

			if (!table_sync_offers(from) || !table_sync_offers(to))
				continue;
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
	KUNIT_CASE(running_is_targeted),
	KUNIT_CASE(flush_tells),
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
