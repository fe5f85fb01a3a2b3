/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One of several names, chosen by a boot parameter and by a file below
 * /sys/kernel/mm/lazy_tlb.
 */
#ifndef _LINUX_LAZY_TLB_CHOICE_H
#define _LINUX_LAZY_TLB_CHOICE_H

#include <linux/kobject.h>
#include <linux/types.h>

/**
 * struct lazy_tlb_choice - something that has a few named settings
 * @what: what they are, for messages
 * @names: their names
 * @nr: how many
 * @get: the one in force
 * @offered: can this kernel use it?
 * @set: put one in force; NULL if there is only one
 */
struct lazy_tlb_choice {
	const char *what;
	const char * const *names;
	int nr;
	int (*get)(void);
	bool (*offered)(int i);
	void (*set)(int i);
};

int lazy_tlb_choose(const struct lazy_tlb_choice *choice, const char *name);
ssize_t lazy_tlb_choice_show(const struct lazy_tlb_choice *choice, char *buf);
int lazy_tlb_add_file(const struct kobj_attribute *attr);

#endif /* _LINUX_LAZY_TLB_CHOICE_H */
