/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_GENERIC_LAZY_TLB_H
#define _ASM_GENERIC_LAZY_TLB_H

struct mm_struct;

/* The mm whose page tables @cpu runs on, NULL if that isn't known. */
static inline struct mm_struct *arch_lazy_tlb_loaded(unsigned int cpu)
{
	return NULL;
}

#endif /* _ASM_GENERIC_LAZY_TLB_H */
