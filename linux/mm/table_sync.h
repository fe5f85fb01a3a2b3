/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting for page-table walks: what mm/table_sync*.c share. */
#ifndef _MM_TABLE_SYNC_H
#define _MM_TABLE_SYNC_H

#include <linux/table_sync.h>
#include <linux/timekeeping.h>

#ifdef CONFIG_TABLE_SYNC_DYNAMIC
extern enum table_sync_mode table_sync_mode;

static inline enum table_sync_mode table_sync_get_mode(void)
{
	return READ_ONCE(table_sync_mode);
}

void table_sync_set_mode(enum table_sync_mode mode);

/* If a user may choose @mode. */
static inline bool table_sync_offers(enum table_sync_mode mode)
{
	switch (mode) {
	case TABLE_SYNC_TRACKED:
		return IS_ENABLED(CONFIG_TABLE_SYNC_DYNAMIC_TRACKED);
	case TABLE_SYNC_RUNNING:
		return IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING);
	case TABLE_SYNC_NONE:
		return IS_ENABLED(CONFIG_DEBUG_TABLE_SYNC);
	default:
		return true;
	}
}
#else
static inline enum table_sync_mode table_sync_get_mode(void)
{
	if (IS_ENABLED(CONFIG_TABLE_SYNC_RUNNING))
		return TABLE_SYNC_RUNNING;
	if (IS_ENABLED(CONFIG_TABLE_SYNC_TRACKED))
		return TABLE_SYNC_TRACKED;
	if (IS_ENABLED(CONFIG_TABLE_SYNC_RCU))
		return TABLE_SYNC_RCU;
	return TABLE_SYNC_BROADCAST;
}

/* The one mode is in force already. */
static inline void table_sync_set_mode(enum table_sync_mode mode) { }

static inline bool table_sync_offers(enum table_sync_mode mode)
{
	return mode == table_sync_get_mode();
}
#endif

bool table_sync_may_walk(enum table_sync_mode mode, bool flushed, int cpu,
			 struct mm_struct *mm);
bool table_sync_flush_waits(void);

enum table_sync_event {
	TABLE_SYNC_EV_ASKED,
	TABLE_SYNC_EV_SKIPPED,
	TABLE_SYNC_EV_TARGETED,
	TABLE_SYNC_EV_BROADCAST,
	TABLE_SYNC_EV_GRACE_PERIOD,
	TABLE_SYNC_EV_IPIS,
	TABLE_SYNC_EV_IPIS_SPARED,
	TABLE_SYNC_EV_SPARED_USER,
	TABLE_SYNC_EV_SPARED_PATIENCE,
	TABLE_SYNC_EV_LATE_TRACKED,
	TABLE_SYNC_EV_LATE_RUNNING,
	TABLE_SYNC_EV_WAIT_NS,
	TABLE_SYNC_EV_WALKS_NESTED,
	TABLE_SYNC_EV_WALKS_SEEN,
	TABLE_SYNC_EV_WALKS_SURVIVED,
	TABLE_SYNC_NR_EVENTS,
};

#ifdef CONFIG_TABLE_SYNC_STATS
struct table_sync_stats {
	unsigned long event[TABLE_SYNC_NR_EVENTS];
	int seen;	/* see table_sync_saw() */
};
DECLARE_PER_CPU(struct table_sync_stats, table_sync_stats);

static inline void table_sync_count_add(enum table_sync_event ev, unsigned long n)
{
	this_cpu_add(table_sync_stats.event[ev], n);
}

/*
 * A wait has chosen to interrupt @cpu, which was in the kernel then, with this state of
 * context tracking; 0: it was not, or has none.
 */
static inline void table_sync_saw(int cpu, int context)
{
	WRITE_ONCE(per_cpu(table_sync_stats.seen, cpu), context);
}

/* What was seen of this CPU last. */
static inline int table_sync_seen(void)
{
	return this_cpu_read(table_sync_stats.seen);
}
#else
static inline void table_sync_count_add(enum table_sync_event ev, unsigned long n) { }
static inline void table_sync_saw(int cpu, int context) { }

static inline int table_sync_seen(void)
{
	return 0;
}
#endif

/* Nanoseconds; for %TABLE_SYNC_EV_WAIT_NS, and of no cost if nobody counts. */
static inline u64 table_sync_clock(void)
{
	return IS_ENABLED(CONFIG_TABLE_SYNC_STATS) ? ktime_get_mono_fast_ns() : 0;
}

static inline void table_sync_count(enum table_sync_event ev)
{
	table_sync_count_add(ev, 1);
}

#ifdef CONFIG_DEBUG_TABLE_SYNC
bool table_sync_oracle_lies(void);
unsigned long table_sync_oracle_start(struct mm_struct *mm, bool flushed);
void table_sync_oracle_finish(struct mm_struct *mm, unsigned long stamp);
#else
static inline bool table_sync_oracle_lies(void)
{
	return false;
}

static inline unsigned long table_sync_oracle_start(struct mm_struct *mm, bool flushed)
{
	return 0;
}

static inline void table_sync_oracle_finish(struct mm_struct *mm, unsigned long stamp) { }
#endif

#endif /* _MM_TABLE_SYNC_H */
