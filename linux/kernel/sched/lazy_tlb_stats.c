// SPDX-License-Identifier: GPL-2.0
/*
 * CONFIG_LAZY_TLB_STATS: what the lazy TLB code did, per CPU, in
 * /sys/kernel/debug/lazy_tlb/counters.
 */
#include <linux/init.h>
#include <linux/lazy_tlb_counters.h>

#include "lazy_tlb.h"

DEFINE_PER_CPU(struct lazy_tlb_stats, lazy_tlb_stats);

static const char * const lazy_tlb_event_names[LAZY_TLB_NR_EVENTS] = {
	[LAZY_TLB_EV_ENTER]		= "enter",
	[LAZY_TLB_EV_LEAVE]		= "leave",
	[LAZY_TLB_EV_COUNTED]		= "counted",
	[LAZY_TLB_EV_HANDOFF]		= "handoff",
	[LAZY_TLB_EV_SHOOTDOWN_SENT]	= "shootdown_sent",
	[LAZY_TLB_EV_SHOOTDOWN_RECEIVED]	= "shootdown_received",
	[LAZY_TLB_EV_PIGGYBACK]		= "piggyback",
	[LAZY_TLB_EV_LOOKED_AT]		= "looked_at",
	[LAZY_TLB_EV_FINAL_FREE]		= "final_free",
	[LAZY_TLB_EV_FINAL_BORROWED]	= "final_borrowed",
};

static const struct lazy_tlb_counters lazy_tlb_counters = {
	.file = "counters",
	.names = lazy_tlb_event_names,
	.nr = LAZY_TLB_NR_EVENTS,
	.values = lazy_tlb_stats.event,
};

static int __init lazy_tlb_stats_init(void)
{
	lazy_tlb_add_counters(&lazy_tlb_counters);
	return 0;
}
late_initcall(lazy_tlb_stats_init);
