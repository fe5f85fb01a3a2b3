/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lockless software walks of user page tables, and waiting for them. The modes,
 * the races and the lettered barriers are described in mm/table_sync.c.
 */
#ifndef _LINUX_TABLE_SYNC_H
#define _LINUX_TABLE_SYNC_H

#include <linux/cache.h>
#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/types.h>

struct mm_struct;

/* For tlb_remove_table_sync_mm(). */
enum table_sync_flags {
	/* The caller may sleep. */
	TABLE_SYNC_CAN_SLEEP	= 1,
};

#ifdef CONFIG_TABLE_SYNC

enum table_sync_mode {
	TABLE_SYNC_BROADCAST,	/* interrupt every CPU */
	TABLE_SYNC_RCU,		/* wait for a grace period */
	TABLE_SYNC_TRACKED,	/* interrupt CPUs that have marked a walk */
	TABLE_SYNC_RUNNING,	/* interrupt CPUs that run a task of the mm */
	TABLE_SYNC_NONE,	/* don't wait: shows that tests find it */
	TABLE_SYNC_NR_MODES,
};

#define TABLE_SYNC_MODE_NAMES			\
	{ TABLE_SYNC_BROADCAST,	"broadcast" },	\
	{ TABLE_SYNC_RCU,	"rcu" },	\
	{ TABLE_SYNC_TRACKED,	"tracked" },	\
	{ TABLE_SYNC_RUNNING,	"running" },	\
	{ TABLE_SYNC_NONE,	"none" }

/* Matches every mm: walks of different mms are nested on that CPU. */
#define TABLE_WALK_ANY	((struct mm_struct *)1UL)

/**
 * struct table_walk - which mms a CPU is walking
 * @task: by a task, on its own behalf; kept up to date in mode tracked only
 * @marked: by an interrupt or NMI, or a walk of an mm that isn't current's; in
 *	    every mode
 *
 * Each holds NULL, an mm, or TABLE_WALK_ANY.
 */
struct table_walk {
	struct mm_struct *task;
	struct mm_struct *marked;
} ____cacheline_aligned_in_smp;

DECLARE_PER_CPU_SHARED_ALIGNED(struct table_walk, table_walk);

#ifdef CONFIG_TABLE_SYNC_DYNAMIC_TRACKED
DECLARE_STATIC_KEY_FALSE(table_walk_tracked_key);

static __always_inline bool table_walk_tracked(void)
{
	return static_branch_unlikely(&table_walk_tracked_key);
}
#else
static __always_inline bool table_walk_tracked(void)
{
	return IS_ENABLED(CONFIG_TABLE_SYNC_TRACKED);
}
#endif

#ifdef CONFIG_DEBUG_TABLE_SYNC
void table_walk_oracle_begin(struct mm_struct *mm, bool marked);
void table_walk_oracle_end(void);
void table_sync_oracle_changed(void);
#else
static __always_inline void table_walk_oracle_begin(struct mm_struct *mm, bool marked) { }
static __always_inline void table_walk_oracle_end(void) { }
static __always_inline void table_sync_oracle_changed(void) { }
#endif

/*
 * Publish a walk, keep what the marker held. A walk that interrupts a walk finds
 * the outer one's mm there; the marker then goes from that mm to one that covers
 * both, and back: there is no moment at which the outer walk isn't covered.
 */
static __always_inline struct mm_struct *
table_walk_publish(struct mm_struct **marker, struct mm_struct *mm)
{
	struct mm_struct *outer = READ_ONCE(*marker);

	/* A, pairs with C in sync_interrupt() */
	smp_store_mb(*marker, !outer || outer == mm ? mm : TABLE_WALK_ANY);
	return outer;
}

/**
 * table_walk_begin() - begin a task's walk of its own page tables
 * @mm: current->mm
 *
 * Context: interrupts disabled until after table_walk_end(). Nests. Costs nothing
 * unless mode tracked is compiled in.
 *
 * Return: what to pass to table_walk_end().
 */
static __always_inline struct mm_struct *table_walk_begin(struct mm_struct *mm)
{
	struct mm_struct *outer = NULL;

	if (table_walk_tracked())
		outer = table_walk_publish(&this_cpu_ptr(&table_walk)->task, mm);
	table_walk_oracle_begin(mm, false);
	return outer;
}

/**
 * table_walk_end() - end a task's walk
 * @outer: what table_walk_begin() returned
 *
 * Context: as table_walk_begin().
 */
static __always_inline void table_walk_end(struct mm_struct *outer)
{
	table_walk_oracle_end();
	if (table_walk_tracked()) {
		/* B, pairs with D in sync_interrupt() */
		smp_store_release(&this_cpu_ptr(&table_walk)->task, outer);
	}
}

/**
 * table_walk_mark() - begin a walk that is not a task's own
 * @mm: the mm to walk, not necessarily current's
 *
 * For walks from interrupts and NMIs, which see current->mm while rq->curr already
 * is another task, and for walks of another task's mm. A table_walk_begin() inside
 * of it is allowed.
 *
 * Context: preemption disabled until after table_walk_unmark(); the walk itself, between
 * the two, with interrupts disabled or in an NMI. An interrupt between the mark and the
 * walk does no harm: the walk begins after it and finds the tables as changed. Nests.
 *
 * Return: what to pass to table_walk_unmark().
 */
static __always_inline struct mm_struct *table_walk_mark(struct mm_struct *mm)
{
	struct mm_struct *outer;

	outer = table_walk_publish(&this_cpu_ptr(&table_walk)->marked, mm);
	table_walk_oracle_begin(mm, true);
	return outer;
}

/**
 * table_walk_unmark() - end a walk that is not a task's own
 * @outer: what table_walk_mark() returned
 *
 * Context: as table_walk_mark().
 */
static __always_inline void table_walk_unmark(struct mm_struct *outer)
{
	table_walk_oracle_end();
	/* B, pairs with D in sync_interrupt() */
	smp_store_release(&this_cpu_ptr(&table_walk)->marked, outer);
}

/**
 * table_sync_changed() - record that the current task takes a table out of a tree
 *
 * Called before or after the entry is cleared, and before the flush that belongs to it.
 * Flushes up to then count for nothing in the wait that follows.
 *
 * Context: task.
 */
static inline void table_sync_changed(void)
{
	current->tables_flushed = NULL;
	table_sync_oracle_changed();
}

/**
 * table_sync_flushed() - record that a TLB flush has interrupted every CPU that uses an mm
 * @mm: the mm
 * @freed_tables: true if it has interrupted the lazy ones, too
 *
 * Called where the interrupts have been waited for, and on no path that flushes
 * without them. A wait by this task for walks of @mm then has less to do.
 *
 * Context: task.
 */
static inline void table_sync_flushed(struct mm_struct *mm, bool freed_tables)
{
	if (freed_tables)
		current->tables_flushed = mm;
}

void tlb_remove_table_sync_mm(struct mm_struct *mm, unsigned int flags);
bool table_sync_each_sharer(void);

/* In kernel/sched, which knows what CPUs run. */
bool sched_cpu_runs_mm(unsigned int cpu, struct mm_struct *mm);

#else /* !CONFIG_TABLE_SYNC */

static inline struct mm_struct *table_walk_begin(struct mm_struct *mm)
{
	return NULL;
}

static inline void table_walk_end(struct mm_struct *outer) { }

static inline struct mm_struct *table_walk_mark(struct mm_struct *mm)
{
	return NULL;
}

static inline void table_walk_unmark(struct mm_struct *outer) { }
static inline void table_sync_changed(void) { }
static inline void table_sync_flushed(struct mm_struct *mm, bool freed_tables) { }

/* A broadcast, or nothing where the flush before a free waits for walks. */
#define tlb_remove_table_sync_mm(mm, flags)				\
do {									\
	(void)(mm);							\
	(void)(flags);							\
	tlb_remove_table_sync_one();					\
} while (0)

static inline bool table_sync_each_sharer(void)
{
	return false;
}

#endif /* CONFIG_TABLE_SYNC */

#endif /* _LINUX_TABLE_SYNC_H */
