// SPDX-License-Identifier: GPL-2.0
/*
 * Lazy TLB in user space's view: the boot parameter lazy_tlb= and the file
 * /sys/kernel/mm/lazy_tlb/scheme choose the scheme, /sys/kernel/debug/lazy_tlb has the
 * counters of CONFIG_LAZY_TLB_STATS. What a scheme means is in lazy_tlb.c.
 */
#include <linux/init.h>
#include <linux/mm_knobs.h>

#include "lazy_tlb.h"

/* -- the scheme ------------------------------------------------------------- */

static const struct mm_choice_name scheme_names[] = { LAZY_TLB_SCHEME_NAMES };

static int scheme_get(void)
{
	return lazy_tlb_get_scheme();
}

static bool scheme_offered(int scheme)
{
	return IS_ENABLED(CONFIG_LAZY_TLB_DYNAMIC) ||
	       scheme == lazy_tlb_get_scheme();
}

static void scheme_set(int scheme)
{
	lazy_tlb_set_scheme(scheme);
}

static const struct mm_choice scheme_choice = {
	.attr = MM_CHOICE_ATTR(scheme),
	.what = "lazy_tlb",
	.names = scheme_names,
	.nr = ARRAY_SIZE(scheme_names),
	.get = scheme_get,
	.offered = scheme_offered,
	.set = scheme_set,
};

static int __init lazy_tlb_boot_scheme(char *str)
{
	mm_choose(&scheme_choice, str ?: "");
	return 0;
}
early_param("lazy_tlb", lazy_tlb_boot_scheme);

static int __init lazy_tlb_scheme_init(void)
{
	return mm_choice_register(&scheme_choice, "lazy_tlb");
}
subsys_initcall(lazy_tlb_scheme_init);

/* -- the counters ----------------------------------------------------------- */

#ifdef CONFIG_LAZY_TLB_STATS
DEFINE_PER_CPU(struct lazy_tlb_stats, lazy_tlb_stats);

static const char * const lazy_tlb_event_names[LAZY_TLB_NR_EVENTS] = {
	[LAZY_TLB_EV_ENTER]		= "enter",
	[LAZY_TLB_EV_LEAVE]		= "leave",
	[LAZY_TLB_EV_COUNTED]		= "counted",
	[LAZY_TLB_EV_HANDOFF]		= "handoff",
	[LAZY_TLB_EV_SHOOTDOWN_SENT]	= "shootdown_sent",
	[LAZY_TLB_EV_SHOOTDOWN_RECEIVED] = "shootdown_received",
	[LAZY_TLB_EV_PIGGYBACK]		= "piggyback",
	[LAZY_TLB_EV_LOOKED_AT]		= "looked_at",
	[LAZY_TLB_EV_FINAL_FREE]	= "final_free",
	[LAZY_TLB_EV_FINAL_BORROWED]	= "final_borrowed",
};

static const struct mm_counters lazy_tlb_counters = {
	.names = lazy_tlb_event_names,
	.nr = LAZY_TLB_NR_EVENTS,
	.values = lazy_tlb_stats.event,
};

static int __init lazy_tlb_stats_init(void)
{
	mm_counters_register(&lazy_tlb_counters, "lazy_tlb");
	return 0;
}
late_initcall(lazy_tlb_stats_init);
#endif /* CONFIG_LAZY_TLB_STATS */
