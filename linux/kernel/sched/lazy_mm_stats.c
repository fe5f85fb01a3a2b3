// SPDX-License-Identifier: GPL-2.0
/*
 * CONFIG_LAZY_TLB_STATS: what the lazy TLB code did, per CPU, in
 * /sys/kernel/debug/lazy_tlb/counters. One line a counter: name, total, CPUs.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/seq_file.h>

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
	[LAZY_MM_EV_FINAL_FREE]		= "final_free",
	[LAZY_MM_EV_FINAL_BORROWED]	= "final_borrowed",
};

static int counters_show(struct seq_file *m, void *v)
{
	unsigned int cpu;
	int ev;

	seq_puts(m, "counter total");
	for_each_possible_cpu(cpu)
		seq_printf(m, " cpu%u", cpu);
	seq_putc(m, '\n');

	for (ev = 0; ev < LAZY_MM_NR_EVENTS; ev++) {
		unsigned long total = 0;

		for_each_possible_cpu(cpu)
			total += READ_ONCE(per_cpu(lazy_mm_stats.event[ev], cpu));
		seq_printf(m, "%s %lu", lazy_mm_event_names[ev], total);
		for_each_possible_cpu(cpu)
			seq_printf(m, " %lu",
				   READ_ONCE(per_cpu(lazy_mm_stats.event[ev], cpu)));
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int __init lazy_mm_stats_init(void)
{
	struct dentry *dir = debugfs_create_dir("lazy_tlb", NULL);

	debugfs_create_file("counters", 0444, dir, NULL, &counters_fops);
	return 0;
}
late_initcall(lazy_mm_stats_init);
