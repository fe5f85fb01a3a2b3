// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for lockless walks of page tables, without interrupting the machine.
 *
 * gup_fast() and a few others walk page tables with no lock but interrupts off.
 * Who takes a table out of a tree has to wait for such walks before the table
 * is used for anything else. An interrupt that a CPU has handled shows that the
 * walk it may have been in is over. Which CPUs have to be interrupted?
 *
 *   broadcast   all.
 *   tracked     those that have marked a walk of the mm.
 *   running     those whose current task has the mm: gup_fast() walks
 *               current->mm, and a task with interrupts off stays current.
 *   rcu         none: a grace period also ends after all walks. Callers that
 *               can't sleep use running, or broadcast where that isn't allowed.
 *
 * In every mode a walk that is not a task's own (table_walk_mark()) is marked and
 * looked for.
 *
 *
 * Marked walks
 * ------------
 *
 *   CPU 0, walks                          CPU 1, takes a table out
 *   ============                          ========================
 *   marker = mm                           change the page table
 *   smp_mb()                      (A)     smp_mb()                     (C)
 *   load page tables                      load markers
 *   ...                                   interrupt those that match, wait
 *   release: marker = outer       (B)     smp_mb()                     (D)
 *                                         use the table for other things
 *
 * With (A) and (C), either CPU 1 sees the marker, or CPU 0 sees the page table as
 * changed (store buffering). (C) has to be a full barrier: smp_rmb() does not order
 * CPU 1's store before its load. If CPU 1 sees the marker after (B), the load
 * reads from the release and (D) makes that an acquire: the walk is over. Without
 * (B) a load of the walk could still be on its way.
 *
 *
 * Running
 * -------
 *
 *   CPU 0, switches to a task of mm       CPU 1, takes a table out
 *   ===============================       ========================
 *   rq->curr = next, or current->mm = mm  change the page table
 *   full barrier                  (E)     smp_mb()                     (C)
 *   [gup_fast() of that task]             load rq->curr, ->mm
 *     load page tables                    interrupt those that match, wait
 *                                         smp_mb()                     (D)
 *
 * (E) comes with what changes the mm:
 *   user -> user, other mm       switch_mm(): on x86 the locked operations on
 *                                mm_cpumask() and the write to CR3
 *   kernel -> user               leave in context_switch(): the exchange (B) of
 *                                kernel/sched/lazy_mm.c
 *   exec_mmap()                  activate_mm(), as user -> user
 *   kthread_use_mm()             lazy_mm_leave()
 *   user -> user, same mm        none, and none is needed: CPU 1 sees the old or
 *                                the new task, and both have the mm
 * Which architectures have it, and why: Documentation/mm/table_sync.rst. Only they
 * select ARCH_HAS_TABLE_SYNC_RUNNING.
 *
 * Away from mm: a walk of the old task ended before the switch began. rq->curr is
 * stored after that, under the run-queue lock, an smp_mb() in front of it
 * (__schedule()); CPU 1 has (D) after its load. exit_mm() and kthread_unuse_mm()
 * clear ->mm after smp_mb__after_spinlock().
 *
 * An interrupt may come before (E), which exec has with interrupts on, and an NMI between
 * the store to rq->curr and the switch of current. They walk under a mark.
 *
 * A CPU in user mode can't be in a walk of its task. On CPUs with context tracking
 * (nohz_full) the state says so, and the way into the kernel is a full barrier
 * (F), an atomic operation on that state, before anything else happens there: it
 * takes the place of (E). An NMI does not change the state: markers go first. On
 * other CPUs the state is updated without order and not looked at.
 *
 *
 * Flushes that have interrupted everybody already
 * -----------------------------------------------
 *
 * On bare x86 a TLB flush is an IPI too. If the caller has flushed the mm after it
 * changed the table, every CPU that could be in a walk of mm has had one:
 *
 *   - A task's own walk runs on a CPU that has mm loaded and is not lazy. CPUs
 *     that the flush skips are lazy ones, or have another mm loaded. If such a CPU
 *     comes back to mm meanwhile, it sees the new tables: the barriers that the
 *     flush itself relies on are between (mm_cpumask()/is_lazy and tlb_gen).
 *   - An NMI between the clearing of its bit in mm_cpumask() and the switch of
 *     current would walk the old mm unseen by the flush. Walks in NMIs give up
 *     there (nmi_uaccess_okay()), and what is marked is interrupted all the same.
 *
 * So nothing but marked walks is left to wait for. That is a property of the back
 * end that flushes, see arch_table_flush_waits().
 *
 *
 * Changing the mode
 * -----------------
 *
 * A walk may be under way, with interrupts off, while code is patched. So: mode
 * broadcast in force; a grace period, after which no waiting side uses the old
 * mode (they run with preemption off; rcu waits for its own grace period and needs
 * nothing else); patch; reset the tasks' markers on every CPU by an interrupt, which
 * also ends all walks that began with the old code; new mode in force.
 */
#define pr_fmt(fmt) "table_sync: " fmt

#include <linux/bug.h>
#include <linux/context_tracking_state.h>
#include <linux/cpu.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/smp.h>
#include <linux/table_sync.h>

#include <asm/table_sync.h>

#include "table_sync.h"

#define CREATE_TRACE_POINTS
#include <trace/events/table_sync.h>

DEFINE_PER_CPU_SHARED_ALIGNED(struct table_walk, table_walk);
EXPORT_PER_CPU_SYMBOL_GPL(table_walk);

/* -- which CPUs ------------------------------------------------------------- */

static bool walk_matches(struct mm_struct *marker, struct mm_struct *mm)
{
	return marker && (marker == mm || marker == TABLE_WALK_ANY);
}

/* A walk of @mm that is marked in every mode. */
static bool marked_cond(int cpu, void *mm)
{
	return walk_matches(READ_ONCE(per_cpu(table_walk.marked, cpu)), mm);
}

static bool tracked_cond(int cpu, void *mm)
{
	return marked_cond(cpu, mm) ||
	       walk_matches(READ_ONCE(per_cpu(table_walk.task, cpu)), mm);
}

/* In user mode, and sure to make it known before it does anything else (F). */
static bool cpu_in_user_mode(int cpu)
{
#ifdef CONFIG_CONTEXT_TRACKING_USER
	return context_tracking_enabled_cpu(cpu) &&
	       (atomic_read(&per_cpu(context_tracking.state, cpu)) & CT_STATE_MASK) ==
	       CT_STATE_USER;
#else
	return false;
#endif
}

static bool running_cond(int cpu, void *mm)
{
	if (marked_cond(cpu, mm))
		return true;
	if (!sched_cpu_runs_mm(cpu, mm))
		return false;
	if (cpu_in_user_mode(cpu)) {
		table_sync_count(TABLE_SYNC_EV_SPARED_USER);
		return false;
	}
	return true;
}

static bool broadcast_cond(int cpu, void *mm)
{
	return true;
}

/**
 * table_sync_cond() - which CPUs a mode interrupts
 * @mode: a mode that interrupts
 *
 * Return: the condition, for a CPU and an mm.
 */
smp_cond_func_t table_sync_cond(enum table_sync_mode mode)
{
	switch (mode) {
	case TABLE_SYNC_TRACKED:
		return tracked_cond;
	case TABLE_SYNC_RUNNING:
		return running_cond;
	default:
		return broadcast_cond;
	}
}

/* -- waiting ---------------------------------------------------------------- */

/* A mode that interrupts, for callers that rcu can't serve. */
#define TABLE_SYNC_INTERRUPTING \
	(IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING) ? \
	 TABLE_SYNC_RUNNING : TABLE_SYNC_BROADCAST)

struct sync {
	smp_cond_func_t cond;
	struct mm_struct *mm;
	int this_cpu;
	unsigned int cpus;
};

/* The own CPU is in no walk: it is here. */
static bool sync_cond(int cpu, void *info)
{
	struct sync *sync = info;

	if (cpu == sync->this_cpu || !sync->cond(cpu, sync->mm))
		return false;
	sync->cpus++;
	return true;
}

static void sync_ipi(void *unused)
{
	/* That it has been handled is all. */
}

/*
 * Interrupt the CPUs that @cond picks and wait for them.
 *
 * Context: preemption disabled.
 * Return: how many there were.
 */
static unsigned int sync_interrupt(struct mm_struct *mm, smp_cond_func_t cond)
{
	struct sync sync = {
		.cond = cond,
		.mm = mm,
		.this_cpu = smp_processor_id(),
	};

	smp_mb();						/* C */
	on_each_cpu_cond_mask(sync_cond, sync_ipi, &sync, true, cpu_online_mask);
	smp_mb();						/* D */
	return sync.cpus;
}

/**
 * __tlb_remove_table_sync_mm() - wait for all lockless walks of an mm's page tables
 * @mm: the mm whose page tables were changed; NULL warns once and waits for all
 * @flags: of &enum table_sync_flags, what the caller did and may do
 *
 * tlb_remove_table_sync_mm() tells what it is for.
 *
 * Context: interrupts enabled; may sleep with %TABLE_SYNC_CAN_SLEEP. A full memory
 * barrier before and after.
 */
void __tlb_remove_table_sync_mm(struct mm_struct *mm, unsigned int flags)
{
	enum table_sync_mode mode, done;
	unsigned long stamp;
	bool skip = mm && (flags & TABLE_SYNC_FLUSHED) && table_sync_flush_waits();
	unsigned int cpus = 0;
	u64 start;

	preempt_disable();
	start = table_sync_clock();
	mode = table_sync_get_mode();
	stamp = table_sync_oracle_start(mm, skip && mode != TABLE_SYNC_NONE);
	table_sync_count(TABLE_SYNC_EV_ASKED);

	if (!mm) {
		pr_warn_once("%pS names no mm to wait for, all CPUs are interrupted\n",
			     __builtin_return_address(0));
		mode = TABLE_SYNC_BROADCAST;
	}

	if (mode == TABLE_SYNC_NONE) {
		done = mode;
	} else if (skip) {
		table_sync_count(TABLE_SYNC_EV_SKIPPED);
		cpus = sync_interrupt(mm, marked_cond);
		done = mode;
	} else if (mode == TABLE_SYNC_RCU && (flags & TABLE_SYNC_CAN_SLEEP)) {
		table_sync_count(TABLE_SYNC_EV_GRACE_PERIOD);
		preempt_enable();
		synchronize_rcu();
		preempt_disable();
		done = mode;
	} else {
		done = mode == TABLE_SYNC_RCU ? TABLE_SYNC_INTERRUPTING : mode;
		table_sync_count(done == TABLE_SYNC_BROADCAST ?
				 TABLE_SYNC_EV_BROADCAST : TABLE_SYNC_EV_TARGETED);
		cpus = sync_interrupt(mm, table_sync_cond(done));
	}

	table_sync_count_add(TABLE_SYNC_EV_IPIS, cpus);
	table_sync_count_add(TABLE_SYNC_EV_IPIS_SPARED, num_online_cpus() - 1 - cpus);
	table_sync_count_add(TABLE_SYNC_EV_WAIT_NS, table_sync_clock() - start);
	trace_table_sync(mm, done, cpus);
	table_sync_oracle_finish(mm, stamp);
	preempt_enable();
}

/**
 * table_sync_targeted() - does a sync reach walks of its own mm only?
 *
 * Where page tables are shared between mms (hugetlb), each mm that stops to share
 * one then has to sync for itself. With broadcasts the last one does it for all.
 */
bool table_sync_targeted(void)
{
	return table_sync_get_mode() != TABLE_SYNC_BROADCAST;
}

/* -- flushes that wait ------------------------------------------------------- */

static bool table_sync_skip __read_mostly = true;
static bool table_sync_flush_property __ro_after_init;

static int __init table_sync_skip_setup(char *str)
{
	if (str && !kstrtobool(str, &table_sync_skip))
		return 0;
	pr_err("table_sync_skip=%s: neither on nor off, it stays %s\n",
	       str ?: "", table_sync_skip ? "on" : "off");
	return 0;
}
early_param("table_sync_skip", table_sync_skip_setup);

bool table_sync_flush_waits(void)
{
	return table_sync_flush_property;
}

/* When the back end that flushes is known, and before there are user tasks. */
static int __init table_sync_flush_init(void)
{
	table_sync_flush_property = table_sync_skip && arch_table_flush_waits();
	pr_info("TLB flushes %s lockless page-table walks\n",
		table_sync_flush_property ? "wait for" :
		table_sync_skip ? "don't wait for" : "are not trusted to wait for");
	return 0;
}
early_initcall(table_sync_flush_init);

/* -- changing the mode ------------------------------------------------------- */

#ifdef CONFIG_TABLE_SYNC_DYNAMIC

DEFINE_STATIC_KEY_FALSE(table_walk_tracked_key);

enum table_sync_mode table_sync_mode __read_mostly =
	IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING) ?
	TABLE_SYNC_RUNNING : TABLE_SYNC_BROADCAST;

static DEFINE_MUTEX(table_sync_mutex);

static void table_walk_reset(void *unused)
{
	this_cpu_write(table_walk.task, NULL);
}

/**
 * table_sync_set_mode() - choose how to wait for walks from now on
 * @mode: the mode
 *
 * Context: sleeps. Calls don't overtake each other.
 */
void table_sync_set_mode(enum table_sync_mode mode)
{
	bool track = mode == TABLE_SYNC_TRACKED;
	enum table_sync_mode old;

	mutex_lock(&table_sync_mutex);
	old = table_sync_mode;
	if (mode == old)
		goto unlock;

	WRITE_ONCE(table_sync_mode, TABLE_SYNC_BROADCAST);
	synchronize_rcu();
	if (track != table_walk_tracked()) {
		if (track)
			static_branch_enable(&table_walk_tracked_key);
		else
			static_branch_disable(&table_walk_tracked_key);
		/* CPUs that come online later have nothing to reset. */
		cpus_read_lock();
		on_each_cpu(table_walk_reset, NULL, 1);
		cpus_read_unlock();
	}
	WRITE_ONCE(table_sync_mode, mode);
	trace_table_sync_mode(old, mode);
unlock:
	mutex_unlock(&table_sync_mutex);
}
#endif /* CONFIG_TABLE_SYNC_DYNAMIC */
