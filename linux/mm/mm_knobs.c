// SPDX-License-Identifier: GPL-2.0
/*
 * What kernel/sched/lazy_tlb_sysfs.c and mm/table_sync_sysfs.c share: settings that have
 * names, and counters as text.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm_knobs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/sysfs.h>

/* -- settings --------------------------------------------------------------- */

/* The names that are accepted, the one in force in brackets. */
static int list_names(const struct mm_choice *choice, char *buf, size_t size)
{
	int i, now = choice->get(), len = 0;

	for (i = 0; i < choice->nr; i++) {
		const struct mm_choice_name *name = &choice->names[i];

		if (!choice->offered(name->value))
			continue;
		len += scnprintf(buf + len, size - len, name->value == now ? "%s[%s]" : "%s%s",
				 len ? " " : "", name->name);
	}
	return len;
}

/**
 * mm_choose() - put the setting of a name in force
 * @choice: the setting
 * @name: the name, a newline may follow
 *
 * Context: that of @choice->set.
 * Return: 0, or -EINVAL if this kernel doesn't accept the name. Nothing is changed then,
 * and a message lists the accepted names.
 */
int mm_choose(const struct mm_choice *choice, const char *name)
{
	char names[64];
	int i;

	for (i = 0; i < choice->nr; i++) {
		if (sysfs_streq(name, choice->names[i].name) &&
		    choice->offered(choice->names[i].value)) {
			choice->set(choice->names[i].value);
			return 0;
		}
	}
	list_names(choice, names, sizeof(names));
	pr_warn_ratelimited("%s: '%.*s' is not accepted, it stays as it is: %s\n",
			    choice->what, (int)min(strcspn(name, "\n"), 32UL), name, names);
	return -EINVAL;
}

/**
 * mm_choice_show() - read the sysfs file of a setting
 * @kobj: its directory
 * @attr: the member of a &struct mm_choice
 * @buf: a page
 *
 * Return: the number of bytes written to @buf.
 */
ssize_t mm_choice_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	int len = list_names(container_of(attr, struct mm_choice, attr), buf, PAGE_SIZE - 1);

	buf[len++] = '\n';
	return len;
}

/**
 * mm_choice_store() - write the sysfs file of a setting
 * @kobj: its directory
 * @attr: the member of a &struct mm_choice
 * @buf: the name to choose
 * @count: the number of bytes in @buf
 *
 * Return: @count or the error of mm_choose().
 */
ssize_t mm_choice_store(struct kobject *kobj, struct kobj_attribute *attr,
			const char *buf, size_t count)
{
	return mm_choose(container_of(attr, struct mm_choice, attr), buf) ?: count;
}

/**
 * mm_choice_register() - make the sysfs file of a setting
 * @choice: the setting; stays in use
 * @dir: the name of the directory to make for it in /sys/kernel/mm
 *
 * Context: initcall.
 * Return: 0 or an error.
 */
int __init mm_choice_register(const struct mm_choice *choice, const char *dir)
{
	struct kobject *kobj = kobject_create_and_add(dir, mm_kobj);
	int err;

	if (!kobj)
		return -ENOMEM;
	err = sysfs_create_file(kobj, &choice->attr.attr);
	if (err)
		kobject_put(kobj);
	return err;
}

/* -- counters --------------------------------------------------------------- */

/**
 * mm_counter_sum() - the total of a counter
 * @value: the counter
 *
 * Context: any. Events during the call may be counted or not.
 * Return: the sum over all possible CPUs.
 */
unsigned long mm_counter_sum(unsigned long __percpu *value)
{
	unsigned long sum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(value, cpu));
	return sum;
}

/* A header line, then a line a counter: its name, the total, a column for each CPU. */
static int counters_show(struct seq_file *m, void *v)
{
	const struct mm_counters *counters = m->private;
	unsigned int cpu;
	int i;

	seq_puts(m, "counter total");
	for_each_possible_cpu(cpu)
		seq_printf(m, " cpu%u", cpu);
	seq_putc(m, '\n');

	for (i = 0; i < counters->nr; i++) {
		unsigned long __percpu *value = counters->values + i;

		seq_printf(m, "%s %lu", counters->names[i], mm_counter_sum(value));
		for_each_possible_cpu(cpu)
			seq_printf(m, " %lu", READ_ONCE(*per_cpu_ptr(value, cpu)));
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

/**
 * mm_counters_register() - make the debugfs file of a group of counters
 * @counters: the counters; stay in use
 * @file: the file's name in /sys/kernel/debug
 *
 * Context: initcall.
 */
void __init mm_counters_register(const struct mm_counters *counters, const char *file)
{
	debugfs_create_file(file, 0444, NULL, (void *)counters, &counters_fops);
}
