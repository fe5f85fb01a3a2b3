/* SPDX-License-Identifier: GPL-2.0 */
/* Per-CPU event counters as text in /sys/kernel/debug/lazy_tlb. */
#ifndef _LINUX_LAZY_TLB_COUNTERS_H
#define _LINUX_LAZY_TLB_COUNTERS_H

#include <linux/percpu.h>

/**
 * struct lazy_tlb_counters - a group of counters that makes a file
 * @file: the file's name
 * @names: a name for each counter
 * @nr: how many counters
 * @values: an array of @nr of them for each CPU
 */
struct lazy_tlb_counters {
	const char *file;
	const char * const *names;
	int nr;
	unsigned long __percpu *values;
};

unsigned long lazy_tlb_counter_sum(unsigned long __percpu *value);
void lazy_tlb_add_counters(const struct lazy_tlb_counters *counters);

#endif /* _LINUX_LAZY_TLB_COUNTERS_H */
