// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for page-table walks in user space's view: the boot parameter table_sync= and
 * the file /sys/kernel/mm/table_sync/mode choose the mode, /sys/kernel/debug/table_sync
 * has the counters of CONFIG_TABLE_SYNC_STATS. What a mode means is in table_sync.c.
 */
#include <linux/init.h>
#include <linux/mm_knobs.h>
#include <linux/string.h>

#include "table_sync.h"

/* -- the mode --------------------------------------------------------------- */

static const struct mm_choice_name mode_names[] = { TABLE_SYNC_MODE_NAMES };

static int mode_get(void)
{
	return table_sync_get_mode();
}

static bool mode_offered(int mode)
{
	return table_sync_offers(mode);
}

static void mode_set(int mode)
{
	table_sync_set_mode(mode);
}

static const struct mm_choice mode_choice = {
	.attr = MM_CHOICE_ATTR(mode),
	.what = "table_sync",
	.names = mode_names,
	.nr = ARRAY_SIZE(mode_names),
	.get = mode_get,
	.offered = mode_offered,
	.set = mode_set,
};

/*
 * Code can't be patched when boot parameters are read. Until the initcall the mode is
 * the default.
 */
static char boot_mode[16] __initdata;
static bool boot_mode_given __initdata;

static int __init table_sync_boot_mode(char *str)
{
	strscpy(boot_mode, str ?: "", sizeof(boot_mode));
	boot_mode_given = true;
	return 0;
}
early_param("table_sync", table_sync_boot_mode);

static int __init table_sync_mode_init(void)
{
	if (boot_mode_given)
		mm_choose(&mode_choice, boot_mode);
	return mm_choice_register(&mode_choice, "table_sync");
}
subsys_initcall(table_sync_mode_init);

/* -- the counters ----------------------------------------------------------- */

#ifdef CONFIG_TABLE_SYNC_STATS
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
	[TABLE_SYNC_EV_SPARED_PATIENCE]	= "spared_patience",
	[TABLE_SYNC_EV_LATE_TRACKED]	= "late_tracked",
	[TABLE_SYNC_EV_LATE_RUNNING]	= "late_running",
	[TABLE_SYNC_EV_WAIT_NS]		= "wait_ns",
	[TABLE_SYNC_EV_WALKS_NESTED]	= "walks_nested",
	[TABLE_SYNC_EV_WALKS_SEEN]	= "walks_seen",
	[TABLE_SYNC_EV_WALKS_SURVIVED]	= "walks_survived",
};

static const struct mm_counters table_sync_counters = {
	.names = table_sync_event_names,
	.nr = TABLE_SYNC_NR_EVENTS,
	.values = table_sync_stats.event,
};

static int __init table_sync_stats_init(void)
{
	mm_counters_register(&table_sync_counters, "table_sync");
	return 0;
}
late_initcall(table_sync_stats_init);
#endif /* CONFIG_TABLE_SYNC_STATS */
