// SPDX-License-Identifier: GPL-2.0
/*
 * CONFIG_DEBUG_TABLE_SYNC: an oracle that knows which walks are under way.
 *
 *   CPU 0, walks                          CPU 1, waits for walks
 *   ============                          ======================
 *   [marked, or rq->curr]                 [page table changed]
 *   smp_mb()                      (G)     now = ++clock, full barrier  (H)
 *   stamp = clock                         [wait as the mode does]
 *   [load page tables]                    for each CPU:
 *   ...                                     walk of mm with stamp < now?
 *   depth--                                 then it should have been waited for
 *
 * stamp < now means that the load of the clock came before (H). What came before (G),
 * the mark or the switch of tasks, is visible to all that follows (H), so the wait
 * had to find this walk.
 *
 * If the wait is skipped because a flush has waited, the time is that at which the task
 * took the table out. A walk that began later may have met the flush, or sees the table
 * gone; one that began earlier and is still under way was met by no flush.
 *
 * A delay inside the walk (table_sync_debug.walk_delay=, microseconds) makes walks last
 * long enough to be met.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/moduleparam.h>

#include "table_sync.h"

/* A task's walk, in an interrupt's, in an NMI's, and each may mark as well. */
#define MAX_DEPTH	8

struct walk {
	struct mm_struct *mm;
	unsigned long stamp;	/* 0: not known yet */
};

struct walks {
	unsigned int depth;
	struct walk walk[MAX_DEPTH];
};

static DEFINE_PER_CPU_SHARED_ALIGNED(struct walks, walks);
static atomic_long_t sync_clock = ATOMIC_LONG_INIT(1);

static unsigned int walk_delay;

static int walk_delay_set(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, 1000);
}

static const struct kernel_param_ops walk_delay_ops = {
	.set = walk_delay_set,
	.get = param_get_uint,
};
module_param_cb(walk_delay, &walk_delay_ops, &walk_delay, 0644);

static bool lie;
module_param(lie, bool, 0644);

/**
 * table_walk_oracle_begin() - record a walk, after it was marked
 * @mm: the mm walked
 * @marked: true for table_walk_mark(), false for a task's own walk
 *
 * Context: interrupts disabled or an NMI.
 */
void table_walk_oracle_begin(struct mm_struct *mm, bool marked)
{
	struct walks *own = this_cpu_ptr(&walks);
	unsigned int depth = READ_ONCE(own->depth);	/* an NMI changes it and back */
	struct walk *walk = &own->walk[depth];
	unsigned int delay = READ_ONCE(walk_delay);

	if (WARN_ON_ONCE(depth == MAX_DEPTH))
		return;
	WARN_ONCE(!marked && mm != current->mm, "table_sync: not a task's own walk\n");
	if (depth && marked)
		table_sync_count(TABLE_SYNC_EV_WALKS_NESTED);
	WRITE_ONCE(walk->stamp, 0);
	smp_wmb();		/* pairs with the reads of old_walks() */
	WRITE_ONCE(walk->mm, mm);
	smp_store_release(&own->depth, depth + 1);	/* read by old_walks() */
	smp_mb();	/* G, pairs with H in table_sync_oracle_start() and _changed() */
	WRITE_ONCE(walk->stamp, atomic_long_read(&sync_clock));
	/* In pieces: an NMI with walks of its own must not use it up. */
	while (delay--)
		udelay(1);
}
EXPORT_SYMBOL_GPL(table_walk_oracle_begin);

/**
 * table_walk_oracle_end() - the innermost walk is over
 *
 * Context: as table_walk_oracle_begin().
 */
void table_walk_oracle_end(void)
{
	struct walks *own = this_cpu_ptr(&walks);
	unsigned int depth = READ_ONCE(own->depth) - 1;

	smp_store_release(&own->depth, depth);	/* read by old_walks() */
}
EXPORT_SYMBOL_GPL(table_walk_oracle_end);

/* The number of walks of @mm, NULL for any, that began before @now and are not over. */
static unsigned int old_walks(struct mm_struct *mm, unsigned long now)
{
	unsigned int cpu, i, depth, n = 0;

	for_each_online_cpu(cpu) {
		struct walks *w = per_cpu_ptr(&walks, cpu);

		/* What is below it has been written. */
		depth = smp_load_acquire(&w->depth);
		for (i = 0; i < depth; i++) {
			unsigned long stamp = READ_ONCE(w->walk[i].stamp);
			struct mm_struct *walked;

			smp_rmb();	/* stamp, mm, */
			walked = READ_ONCE(w->walk[i].mm);
			smp_rmb();	/* and the stamp again: all of one walk */
			if (stamp && stamp < now && (!mm || walked == mm) &&
			    READ_ONCE(w->walk[i].stamp) == stamp &&
			    READ_ONCE(w->depth) > i)
				n++;
		}
	}
	return n;
}

/**
 * table_sync_oracle_changed() - record when the current task takes a table out of a tree
 *
 * Context: task.
 */
void table_sync_oracle_changed(void)
{
	current->tables_changed = atomic_long_inc_return(&sync_clock);	/* H */
}

/**
 * table_sync_oracle_lies() - tell whether every flush is taken for one that has waited
 *
 * Return: true with table_sync_debug.lie=on, by which tests see that the oracle notices.
 */
bool table_sync_oracle_lies(void)
{
	return READ_ONCE(lie);
}

/**
 * table_sync_oracle_start() - record the beginning of a wait
 * @mm: of this mm, NULL for any
 * @flushed: a flush is said to have waited since the table was taken out
 *
 * Context: preemption disabled.
 * Return: the time, for table_sync_oracle_finish(). Walks that began before it have to
 * be over then: now, or if a flush has waited, when this task took the table out.
 */
unsigned long table_sync_oracle_start(struct mm_struct *mm, bool flushed)
{
	unsigned long now = flushed ? current->tables_changed :
				      atomic_long_inc_return(&sync_clock);	/* H */

	table_sync_count_add(TABLE_SYNC_EV_WALKS_SEEN, old_walks(mm, now));
	return now;
}

/**
 * table_sync_oracle_finish() - warn if a wait has missed a walk
 * @mm: as in table_sync_oracle_start()
 * @now: what that returned
 *
 * Context: preemption disabled.
 */
void table_sync_oracle_finish(struct mm_struct *mm, unsigned long now)
{
	unsigned int survivors = old_walks(mm, now);

	table_sync_count_add(TABLE_SYNC_EV_WALKS_SURVIVED, survivors);
	WARN_ONCE(survivors && table_sync_get_mode() != TABLE_SYNC_NONE,
		  "table_sync: %u walks outlived the wait for them\n", survivors);
}
