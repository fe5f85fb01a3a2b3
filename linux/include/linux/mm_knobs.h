/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A setting with a few names, in sysfs and on the kernel command line, and groups of
 * per-CPU counters in debugfs.
 */
#ifndef _LINUX_MM_KNOBS_H
#define _LINUX_MM_KNOBS_H

#include <linux/kobject.h>
#include <linux/percpu.h>
#include <linux/types.h>

/**
 * struct mm_choice_name - what one value of a setting is called
 * @value: the value
 * @name: the name
 */
struct mm_choice_name {
	int value;
	const char *name;
};

/**
 * struct mm_choice - a setting that has one of a few names
 * @attr: the sysfs file, from MM_CHOICE_ATTR()
 * @what: what is chosen, for messages
 * @names: the values and their names
 * @nr: how many
 * @get: returns the value in force
 * @offered: true if this kernel can use that value
 * @set: puts that value in force
 */
struct mm_choice {
	struct kobj_attribute attr;
	const char *what;
	const struct mm_choice_name *names;
	int nr;
	int (*get)(void);
	bool (*offered)(int value);
	void (*set)(int value);
};

#define MM_CHOICE_ATTR(file)						\
	__ATTR(file, 0644, mm_choice_show, mm_choice_store)

int mm_choose(const struct mm_choice *choice, const char *name);
ssize_t mm_choice_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf);
ssize_t mm_choice_store(struct kobject *kobj, struct kobj_attribute *attr,
			const char *buf, size_t count);
int mm_choice_register(const struct mm_choice *choice, const char *dir);

/**
 * struct mm_counters - a group of per-CPU counters that makes a debugfs file
 * @names: a name for each counter
 * @nr: how many counters
 * @values: an array of @nr of them for each CPU
 */
struct mm_counters {
	const char * const *names;
	int nr;
	unsigned long __percpu *values;
};

unsigned long mm_counter_sum(unsigned long __percpu *value);
void mm_counters_register(const struct mm_counters *counters, const char *file);

#endif /* _LINUX_MM_KNOBS_H */
