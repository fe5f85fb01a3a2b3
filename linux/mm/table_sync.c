// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for lockless walks of page tables, without interrupting the machine.
 *
 * gup_fast() and a few others walk page tables with no lock but interrupts off.
 * Code that takes a table out of a tree has to wait for such walks before the table
 * is used for anything else. An interrupt that a CPU has handled shows that the
 * walk it may have been in is over. The modes differ in the CPUs that are interrupted:
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
 *   user -> user, other mm       on x86 the locked operations on mm_cpumask() and the
 *                                write to CR3 in switch_mm(), on arm64 the DSB in
 *                                __switch_to(), on s390 the lock that
 *                                finish_arch_post_lock_switch() takes, on riscv a
 *                                fence behind the operation on mm_cpumask()
 *   kernel -> user               leave in context_switch(): the exchange (B) of
 *                                kernel/sched/lazy_tlb.c
 *   exec_mmap()                  on riscv and x86 activate_mm(), as user -> user; on
 *                                arm64 and s390 mmput() of the old mm, or
 *                                lazy_tlb_leave()
 *   kthread_use_mm()             lazy_tlb_leave()
 *   user -> user, same mm        none, and none is needed: CPU 1 sees the old or
 *                                the new task, and both have the mm
 * Which architectures have it, and why: Documentation/mm/table_sync_walkers.rst. Only
 * they select ARCH_HAS_TABLE_SYNC_RUNNING.
 *
 * Away from mm: a walk of the old task ended before the switch began. rq->curr is
 * stored after that, under the run-queue lock, an smp_mb() in front of it
 * (__schedule()); CPU 1 has (D) after its load. exit_mm() and kthread_unuse_mm()
 * clear ->mm after smp_mb__after_spinlock().
 *
 * Most of these have the store and (E) in one region with interrupts off, so no other task
 * runs between the two. An exec on arm64 or s390 has not: if it is preempted there, it comes
 * back by a switch with (E). A switch on s390 has preemption off. An interrupt or NMI may
 * come there, and see current->mm while rq->curr is another task already. It walks under a
 * mark.
 *
 * A CPU in user mode can't be in a walk of its task. On CPUs with context tracking
 * (nohz_full) the state says so, and the way into the kernel is a full barrier
 * (F), an atomic operation on that state, before anything else happens there: it
 * takes the place of (E). It stays user mode in an NMI: markers go first. So it is
 * for a CPU that runs a guest, which counts as user mode. On other CPUs the state is
 * updated without order and not looked at.
 *
 *
 * Patience
 * --------
 *
 * Who isolates a CPU does not want it to be interrupted, and what such a CPU does in the
 * kernel is short. A CPU with context tracking that may be in a walk, marked or not, is
 * therefore looked at again for a bounded time before it is interrupted. Its state counts
 * each way into the kernel and out of it:
 *
 *   CPU 0, with context tracking          CPU 1, takes a table out
 *   ============================          ========================
 *   [a walk]                              change the page table
 *     load page tables                    smp_mb()                     (C)
 *   state += n                    (K)     since = state
 *   [another walk]                        ... until state is not since
 *     load page tables                    smp_mb()                     (D)
 *                                         use the table for other things
 *
 * Every change of the state is a full barrier (K), between two walks: into user mode, a
 * guest or idle, out of it, at both ends of an interrupt or NMI that comes there, and where
 * a task tells RCU that it has no critical section. So a walk is on one side of the change
 * that CPU 1 has seen. Before it: by (K) and (D) the walk is
 * over. After it: 'since' was read before (K), so by (C) and (K) the walk sees the page
 * table as changed. 'since' has to be read after (C) for that. A counter that has come
 * round to the same value makes CPU 1 look longer, no more.
 *
 * A mark that is gone, or a task that is not current any more, ends the wait for a CPU as
 * well: what is seen after (C) is as good later as at once.
 *
 *
 * Flushes that have interrupted everybody already
 * -----------------------------------------------
 *
 * On bare x86 a TLB flush is an IPI too. If the waiting task has flushed the mm after it
 * changed the table, every CPU that could be in a walk of mm has had one:
 *
 *   - A task's own walk runs on a CPU that has mm loaded and is not lazy. CPUs
 *     that the flush skips are lazy ones, or have another mm loaded. If such a CPU
 *     comes back to mm meanwhile, it sees the new tables: the barriers that the
 *     flush itself relies on are between (mm_cpumask()/is_lazy and tlb_gen).
 *   - An NMI between the load of other page tables and the switch of current would
 *     walk the old mm unseen by the flush. Walks in NMIs give up there
 *     (nmi_uaccess_okay()), and what is marked is interrupted all the same.
 *
 * So only marked walks are left to wait for. current->tables_flushed records that there
 * was such a flush:
 *
 *   table_sync_changed()         forgets it: a table is being taken out
 *   table_sync_flushed(mm)       records mm, where the flush has waited for interrupts on
 *                                all CPUs that use mm, lazy ones included
 *   tlb_remove_table_sync_mm()   takes the record; it counts if it is the mm waited for
 *
 * All three are the same task, in program order. A flush that hardware broadcasts has
 * another path and records nothing. A back end that leaves out CPUs or calls a hypervisor
 * is on the recording path, but known at boot: arch_table_flush_waits() says no, and the
 * record counts for nothing.
 *
 *
 * Tables that mms share
 * ---------------------
 *
 * hugetlb shares tables of PMDs. The last mm to stop sharing one may reuse it, and a walk
 * of an mm that stopped earlier may still be inside. i_mmap_rwsem, held for writing, has
 * the sharers one after the other, each with its flush and its wait. Either every sharer
 * waits for walks of its own mm, or the last one interrupts every CPU. The second needs
 * that the last one broadcasts for certain, so it is in force only while the mode is
 * broadcast and flushes don't wait, and a change of mode ends it first:
 *
 *   CPU 0, walks A    CPU 1, A, not the last    CPU 2, changes the mode
 *   ==============    ======================    =======================
 *                                               each sharer waits = true
 *   irqs off          clear the entry           synchronize_rcu()          (J)
 *   load the entry    smp_mb()            (I)   mode = running
 *   load the table    load each sharer waits
 *   irqs on           unlock                    [B, the last, waits for walks of B]
 *                                               [the table is reused]
 *
 * If CPU 1 loads false, then by (I) the entry was cleared before CPU 2 began (J). A walk
 * that loaded the entry before is over when (J) ends, and the mode is another one only
 * after that.
 *
 *
 * Changing the mode
 * -----------------
 *
 * A walk may be under way, with interrupts off, while code is patched. So: every sharer
 * waits; mode broadcast in force; a grace period (J), after which no waiting side uses the
 * old mode (they run with preemption off; rcu waits for its own grace period and needs
 * nothing else); to and from tracked, patch, and reset the tasks' markers on every CPU by
 * an interrupt, which also ends all walks that began with the old code; new mode in force.
 * No CPU goes offline between the patch and the reset, or it would keep its marker.
 */
#define pr_fmt(fmt) "table_sync: " fmt

#include <linux/bug.h>
#include <linux/context_tracking_state.h>
#include <linux/cpu.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/mm_types.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched/clock.h>
#include <linux/smp.h>
#include <linux/table_sync.h>
#include <linux/time64.h>
#include <linux/topology.h>

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

/* The context-tracking state of a CPU, with its counter of changes (K). */
static int cpu_context(int cpu)
{
#ifdef CONFIG_CONTEXT_TRACKING_USER
	return atomic_read(&per_cpu(context_tracking.state, cpu));
#else
	return 0;
#endif
}

/* In user mode or a guest, and sure to make it known before it does anything else (F). */
static bool cpu_in_user_mode(int cpu)
{
#ifdef CONFIG_CONTEXT_TRACKING_USER
	int state = cpu_context(cpu) & CT_STATE_MASK;

	return context_tracking_enabled_cpu(cpu) &&
	       (state == CT_STATE_USER || state == CT_STATE_GUEST);
#else
	return false;
#endif
}

/**
 * table_sync_may_walk() - tell whether a CPU may be in a walk that has to be waited for
 * @mode: a mode that interrupts
 * @flushed: true if a TLB flush has waited for the tasks' own walks
 * @cpu: a CPU other than this one
 * @mm: the mm whose tables were changed, not NULL if @flushed
 *
 * Context: preemption disabled, after (C).
 * Return: false if no such walk can be under way there.
 */
bool table_sync_may_walk(enum table_sync_mode mode, bool flushed, int cpu,
			 struct mm_struct *mm)
{
	/* Marked walks first: an NMI that walks does not change the state of user mode. */
	if (walk_matches(READ_ONCE(per_cpu(table_walk.marked, cpu)), mm))
		return true;
	if (flushed)
		return false;

	switch (mode) {
	case TABLE_SYNC_TRACKED:
		return walk_matches(READ_ONCE(per_cpu(table_walk.task, cpu)), mm);
	case TABLE_SYNC_RUNNING:
		if (!sched_cpu_runs_mm(cpu, mm))
			return false;
		if (!cpu_in_user_mode(cpu))
			return true;
		table_sync_count(TABLE_SYNC_EV_SPARED_USER);
		return false;
	default:
		return true;
	}
}

/* -- waiting ---------------------------------------------------------------- */

/* A mode that interrupts, for callers that rcu can't serve. */
#define TABLE_SYNC_INTERRUPTING \
	(IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING) ? \
	 TABLE_SYNC_RUNNING : TABLE_SYNC_BROADCAST)

/* Microseconds; the waiting side spins for as long. */
static unsigned int patience_us __read_mostly = 50;

static int patience_set(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, USEC_PER_SEC);
}

static const struct kernel_param_ops patience_ops = {
	.set = patience_set,
	.get = param_get_uint,
};
module_param_cb(patience_us, &patience_ops, &patience_us, 0644);

struct sync {
	struct mm_struct *mm;
	enum table_sync_mode mode;
	bool flushed;
	int this_cpu;
	/* CPUs that are looked at again before they are interrupted; NULL without patience. */
	struct cpumask *later;
	bool any_later;
	/* How many were interrupted, and how many were not because of patience. */
	unsigned int cpus, outlasted;
};

/* CPUs to be patient with: all zeros between two waits, in use with preemption disabled. */
static DEFINE_PER_CPU(cpumask_var_t, sync_later);
static bool sync_has_later __ro_after_init;

static bool sync_may_walk(struct sync *sync, int cpu)
{
	/* This CPU runs this code, so it is not in a walk. */
	return cpu != sync->this_cpu &&
	       table_sync_may_walk(sync->mode, sync->flushed, cpu, sync->mm);
}

/* The interrupt will be sent. In what state the CPU was matters where CPUs are looked at. */
static bool sync_chosen(struct sync *sync, int cpu)
{
	bool in_kernel = sync->mode != TABLE_SYNC_BROADCAST &&
			 context_tracking_enabled_cpu(cpu) && !cpu_in_user_mode(cpu);

	table_sync_saw(cpu, in_kernel ? cpu_context(cpu) : 0);
	sync->cpus++;
	return true;
}

static bool sync_cond(int cpu, void *info)
{
	struct sync *sync = info;

	if (!sync_may_walk(sync, cpu))
		return false;
	if (!sync->later || !context_tracking_enabled_cpu(cpu))
		return sync_chosen(sync, cpu);
	__cpumask_set_cpu(cpu, sync->later);
	sync->any_later = true;
	return false;
}

static bool sync_late_cond(int cpu, void *info)
{
	struct sync *sync = info;

	if (sync_may_walk(sync, cpu))
		return sync_chosen(sync, cpu);
	sync->outlasted++;
	return false;
}

static void sync_ipi(void *info)
{
	/* Handling the interrupt is all: no walk is under way on this CPU. */
	struct sync *sync = info;
	int seen = table_sync_seen();

	if (seen && seen != cpu_context(smp_processor_id()))
		table_sync_count(sync->mode == TABLE_SYNC_TRACKED ? TABLE_SYNC_EV_LATE_TRACKED :
				 TABLE_SYNC_EV_LATE_RUNNING);
}

/* Look at a CPU until no walk can be under way there, or until the time is over. */
static bool sync_outlasts(struct sync *sync, int cpu, u64 until)
{
	int since = cpu_context(cpu);

	while (sync_may_walk(sync, cpu)) {
		if (local_clock() >= until)
			return false;
		cpu_relax();
		/* K, pairs with C and D in sync_interrupt() */
		if (cpu_context(cpu) != since)
			break;
	}
	return true;
}

/* Look at the CPUs that have been left for later, and interrupt those that outlast it. */
static void sync_patiently(struct sync *sync, u64 until)
{
	unsigned int cpu;

	for_each_cpu(cpu, sync->later) {
		if (!sync_outlasts(sync, cpu, until))
			break;
		__cpumask_clear_cpu(cpu, sync->later);
		sync->outlasted++;
	}
	on_each_cpu_cond_mask(sync_late_cond, sync_ipi, sync, true, sync->later);
	cpumask_clear(sync->later);
	table_sync_count_add(TABLE_SYNC_EV_SPARED_PATIENCE, sync->outlasted);
}

/*
 * Interrupt the CPUs that may be in a walk, and wait until they have handled it.
 *
 * Context: preemption disabled.
 * Return: how many there were.
 */
static unsigned int sync_interrupt(struct mm_struct *mm, enum table_sync_mode mode,
				   bool flushed)
{
	u64 patience = (u64)READ_ONCE(patience_us) * NSEC_PER_USEC, until = 0;
	struct sync sync = {
		.mm = mm,
		.mode = mode,
		.flushed = flushed,
		.this_cpu = smp_processor_id(),
	};

	if (patience && sync_has_later && mode != TABLE_SYNC_BROADCAST) {
		sync.later = this_cpu_cpumask_var_ptr(sync_later);
		until = local_clock() + patience;
	}

	/* C, pairs with A in table_walk_publish(), with E and with F */
	smp_mb();
	on_each_cpu_cond_mask(sync_cond, sync_ipi, &sync, true, cpu_online_mask);
	if (sync.any_later)
		sync_patiently(&sync, until);
	/* D, pairs with B in table_walk_end() and table_walk_unmark(), and with K */
	smp_mb();
	return sync.cpus;
}

/* The mode in force, or the one that stands in where it can't serve this caller. */
static enum table_sync_mode sync_mode(struct mm_struct *mm, unsigned int flags)
{
	enum table_sync_mode mode = table_sync_get_mode();

	if (!mm)
		return TABLE_SYNC_BROADCAST;
	if (mode == TABLE_SYNC_RCU && !(flags & TABLE_SYNC_CAN_SLEEP))
		return TABLE_SYNC_INTERRUPTING;
	return mode;
}

/* Wait, count how, and return the number of CPUs interrupted for it. */
static unsigned int sync_wait(struct mm_struct *mm, enum table_sync_mode mode, bool flushed)
{
	if (mode == TABLE_SYNC_NONE)
		return 0;

	if (!flushed && mode == TABLE_SYNC_RCU) {
		table_sync_count(TABLE_SYNC_EV_GRACE_PERIOD);
		preempt_enable();
		synchronize_rcu();
		preempt_disable();
		return 0;
	}

	table_sync_count(flushed ? TABLE_SYNC_EV_SKIPPED :
			 mode == TABLE_SYNC_BROADCAST ? TABLE_SYNC_EV_BROADCAST :
			 TABLE_SYNC_EV_TARGETED);
	return sync_interrupt(mm, mode, flushed);
}

/**
 * tlb_remove_table_sync_mm() - wait for all lockless walks of an mm's page tables
 * @mm: the mm whose page tables were changed; NULL warns once and waits for all
 * @flags: of &enum table_sync_flags
 *
 * When it returns, no walk is under way that may have seen the tables as they were before
 * the call. It is no grace period: walks under rcu_read_lock() alone (the per-VMA
 * pte_offset_map() kind) are not waited for.
 *
 * Context: interrupts enabled; may hold spinlocks that no CPU waits for with
 * interrupts disabled; may sleep with %TABLE_SYNC_CAN_SLEEP. A full memory barrier
 * before and after.
 */
void tlb_remove_table_sync_mm(struct mm_struct *mm, unsigned int flags)
{
	bool flushed = mm && ((table_sync_flush_waits() && current->tables_flushed == mm) ||
			      table_sync_oracle_lies());
	enum table_sync_mode mode;
	unsigned long stamp;
	unsigned int cpus;
	u64 start;

	current->tables_flushed = NULL;
	if (!mm)
		pr_warn_once("%pS names no mm to wait for, all CPUs are interrupted\n",
			     __builtin_return_address(0));

	/* With preemption off a change of the mode waits for this wait, see (J). */
	preempt_disable();
	start = table_sync_clock();
	mode = sync_mode(mm, flags);
	stamp = table_sync_oracle_start(mm, flushed && mode != TABLE_SYNC_NONE);
	cpus = sync_wait(mm, mode, flushed);
	table_sync_count(TABLE_SYNC_EV_ASKED);
	table_sync_count_add(TABLE_SYNC_EV_IPIS, cpus);
	table_sync_count_add(TABLE_SYNC_EV_IPIS_SPARED, num_online_cpus() - 1 - cpus);
	table_sync_count_add(TABLE_SYNC_EV_WAIT_NS, table_sync_clock() - start);
	trace_table_sync(mm, mode, cpus);
	table_sync_oracle_finish(mm, stamp);
	preempt_enable();
}

/* -- tables that mms share ---------------------------------------------------- */

/* False only while the last sharer interrupts every CPU for certain. */
static bool each_sharer_waits __read_mostly = true;

static bool each_sharer_has_to(enum table_sync_mode mode)
{
	return mode != TABLE_SYNC_BROADCAST || table_sync_flush_waits();
}

/**
 * table_sync_each_sharer() - tell whether an mm that stops sharing a table has to wait
 *
 * Context: any, after the mm's entry was cleared, under the lock that has the sharers
 * of a table one after the other.
 *
 * Return: true if it calls tlb_remove_table_sync_mm() whether others still share the
 * table or not, false if the wait of the last one is enough. A full memory barrier
 * before that is decided.
 */
bool table_sync_each_sharer(void)
{
	smp_mb();	/* I, pairs with J in table_sync_set_mode() */
	return READ_ONCE(each_sharer_waits);
}

/* -- flushes that wait ------------------------------------------------------- */

static bool table_sync_skip __ro_after_init = true;
module_param_named(skip, table_sync_skip, bool, 0444);

static bool flush_waits __ro_after_init;

/**
 * table_sync_flush_waits() - tell whether TLB flushes wait for the walks of tasks
 *
 * Return: the answer for the back end that flushes, the same from early initcalls on.
 */
bool table_sync_flush_waits(void)
{
	return flush_waits;
}

/* Room for patience, if there are CPUs to be patient with. */
static bool __init sync_later_init(void)
{
	unsigned int cpu;

	if (!context_tracking_enabled())
		return false;
	for_each_possible_cpu(cpu)
		if (!zalloc_cpumask_var_node(&per_cpu(sync_later, cpu), GFP_KERNEL,
					     cpu_to_node(cpu)))
			return false;
	return true;
}

/*
 * When the back end that flushes and the CPUs with context tracking are known, and before
 * there are user tasks.
 */
static int __init table_sync_init(void)
{
	sync_has_later = sync_later_init();
	flush_waits = table_sync_skip && arch_table_flush_waits();
	pr_info("TLB flushes %s lockless page-table walks\n",
		flush_waits ? "wait for" :
		table_sync_skip ? "don't wait for" : "are not trusted to wait for");
	WRITE_ONCE(each_sharer_waits, each_sharer_has_to(table_sync_get_mode()));
	return 0;
}
early_initcall(table_sync_init);

/* -- changing the mode ------------------------------------------------------- */

#ifdef CONFIG_TABLE_SYNC_DYNAMIC

enum table_sync_mode table_sync_mode __read_mostly = TABLE_SYNC_INTERRUPTING;

static DEFINE_MUTEX(table_sync_mutex);

#ifdef CONFIG_TABLE_SYNC_DYNAMIC_TRACKED

DEFINE_STATIC_KEY_FALSE(table_walk_tracked_key);
/* For KVM's walk. */
EXPORT_SYMBOL_GPL(table_walk_tracked_key);

static void table_walk_reset(void *unused)
{
	this_cpu_write(table_walk.task, NULL);
}

/* In mode broadcast, which needs no marks. */
static void track_walks(bool track)
{
	if (track == table_walk_tracked())
		return;
	/* CPUs that come online later have nothing to reset. */
	cpus_read_lock();
	if (track)
		static_branch_enable_cpuslocked(&table_walk_tracked_key);
	else
		static_branch_disable_cpuslocked(&table_walk_tracked_key);
	on_each_cpu(table_walk_reset, NULL, 1);
	cpus_read_unlock();
}
#else
static void track_walks(bool track) { }
#endif

/**
 * table_sync_set_mode() - choose how to wait for walks from now on
 * @mode: one that table_sync_offers()
 *
 * Context: sleeps. Calls don't overtake each other.
 */
void table_sync_set_mode(enum table_sync_mode mode)
{
	enum table_sync_mode old;

	mutex_lock(&table_sync_mutex);
	old = table_sync_mode;
	if (mode == old)
		goto unlock;

	WRITE_ONCE(each_sharer_waits, true);
	WRITE_ONCE(table_sync_mode, TABLE_SYNC_BROADCAST);
	synchronize_rcu();	/* J, pairs with I in table_sync_each_sharer() */
	track_walks(mode == TABLE_SYNC_TRACKED);
	WRITE_ONCE(table_sync_mode, mode);
	WRITE_ONCE(each_sharer_waits, each_sharer_has_to(mode));
	trace_table_sync_mode(old, mode);
unlock:
	mutex_unlock(&table_sync_mutex);
}
#endif /* CONFIG_TABLE_SYNC_DYNAMIC */
