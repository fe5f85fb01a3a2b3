// SPDX-License-Identifier: GPL-2.0
/*
 * CONFIG_LAZY_TLB_STATS: what the lazy TLB code did, per CPU, in
 * /sys/kernel/debug/lazy_tlb/counters.
 */
#include <linux/init.h>
#include <linux/lazy_tlb_counters.h>

#include "lazy_mm.h"

DEFINE_PER_CPU(struct lazy_mm_stats, lazy_mm_stats);

static const char * const lazy_mm_event_names[LAZY_MM_NR_EVENTS] = {
	[LAZY_MM_EV_ENTER]		= "enter",
	[LAZY_MM_EV_LEAVE]		= "leave",
	[LAZY_MM_EV_COUNTED]		= "counted",
	[LAZY_MM_EV_HANDOFF]		= "handoff",
	[LAZY_MM_EV_SHOOTDOWN_SENT]	= "shootdown_sent",
	[LAZY_MM_EV_SHOOTDOWN_RECEIVED]	= "shootdown_received",
	[LAZY_MM_EV_PIGGYBACK]		= "piggyback",
	[LAZY_MM_EV_LOOKED_AT]		= "looked_at",
	[LAZY_MM_EV_FINAL_FREE]		= "final_free",
	[LAZY_MM_EV_FINAL_BORROWED]	= "final_borrowed",
};

static const struct lazy_tlb_counters lazy_mm_counters = {
	.file = "counters",
	.names = lazy_mm_event_names,
	.nr = LAZY_MM_NR_EVENTS,
	.values = lazy_mm_stats.event,
};

static int __init lazy_mm_stats_init(void)
{
	lazy_tlb_add_counters(&lazy_mm_counters);
	return 0;
}
late_initcall(lazy_mm_stats_init);
