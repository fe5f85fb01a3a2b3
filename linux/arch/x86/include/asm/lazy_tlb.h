/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_LAZY_TLB_H
#define _ASM_X86_LAZY_TLB_H

#include <asm/tlbflush.h>

/* The mm whose page tables @cpu runs on; LOADED_MM_SWITCHING is no mm. */
static inline struct mm_struct *arch_lazy_tlb_loaded(unsigned int cpu)
{
	return READ_ONCE(per_cpu(cpu_tlbstate.loaded_mm, cpu));
}

#endif /* _ASM_X86_LAZY_TLB_H */
