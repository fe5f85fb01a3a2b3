// SPDX-License-Identifier: GPL-2.0
/*
 * CONFIG_LAZY_TLB_STATS: how page-table walks were waited for, per CPU, in
 * /sys/kernel/debug/lazy_tlb/table_sync.
 */
#include <linux/init.h>
#include <linux/lazy_tlb_counters.h>

#include "table_sync.h"

DEFINE_PER_CPU(struct table_sync_stats, table_sync_stats);

static const char * const table_sync_event_names[TABLE_SYNC_NR_EVENTS] = {
	[TABLE_SYNC_EV_ASKED]		= "asked",
	[TABLE_SYNC_EV_SKIPPED]		= "skipped",
	[TABLE_SYNC_EV_TARGETED]	= "targeted",
	[TABLE_SYNC_EV_BROADCAST]	= "broadcast",
	[TABLE_SYNC_EV_GRACE_PERIOD]	= "grace_period",
	[TABLE_SYNC_EV_IPIS]		= "ipis",
	[TABLE_SYNC_EV_IPIS_SPARED]	= "ipis_spared",
	[TABLE_SYNC_EV_SPARED_USER]	= "spared_user",
	[TABLE_SYNC_EV_WAIT_NS]		= "wait_ns",
	[TABLE_SYNC_EV_WALKS_NESTED]	= "walks_nested",
	[TABLE_SYNC_EV_WALKS_SEEN]	= "walks_seen",
	[TABLE_SYNC_EV_WALKS_SURVIVED]	= "walks_survived",
};

static const struct lazy_tlb_counters table_sync_counters = {
	.file = "table_sync",
	.names = table_sync_event_names,
	.nr = TABLE_SYNC_NR_EVENTS,
	.values = table_sync_stats.event,
};

static int __init table_sync_stats_init(void)
{
	lazy_tlb_add_counters(&table_sync_counters);
	return 0;
}
late_initcall(table_sync_stats_init);
