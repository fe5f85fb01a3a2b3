// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU event counters as text: a header line, then a line a counter with its name,
 * the total, and a column for each possible CPU.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/lazy_tlb_counters.h>
#include <linux/seq_file.h>

/**
 * lazy_tlb_counter_sum() - the total of a counter
 * @value: the counter
 *
 * Context: any; events that happen meanwhile may be counted or not.
 */
unsigned long lazy_tlb_counter_sum(unsigned long __percpu *value)
{
	unsigned long sum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(value, cpu));
	return sum;
}

static int counters_show(struct seq_file *m, void *v)
{
	const struct lazy_tlb_counters *counters = m->private;
	unsigned int cpu;
	int i;

	seq_puts(m, "counter total");
	for_each_possible_cpu(cpu)
		seq_printf(m, " cpu%u", cpu);
	seq_putc(m, '\n');

	for (i = 0; i < counters->nr; i++) {
		unsigned long __percpu *value = counters->values + i;

		seq_printf(m, "%s %lu", counters->names[i], lazy_tlb_counter_sum(value));
		for_each_possible_cpu(cpu)
			seq_printf(m, " %lu", READ_ONCE(*per_cpu_ptr(value, cpu)));
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

/**
 * lazy_tlb_add_counters() - make a file in /sys/kernel/debug/lazy_tlb
 * @counters: what it shows; stays in use
 *
 * Context: initcalls, which run one after the other.
 */
void __init lazy_tlb_add_counters(const struct lazy_tlb_counters *counters)
{
	static struct dentry *folder;

	if (!folder)
		folder = debugfs_create_dir("lazy_tlb", NULL);
	debugfs_create_file(counters->file, 0444, folder, (void *)counters, &counters_fops);
}
