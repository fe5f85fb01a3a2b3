/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_TABLE_SYNC_H
#define _ASM_X86_TABLE_SYNC_H

#include <asm/paravirt.h>

/*
 * Has a flush of an mm's TLB interrupted every CPU that uses the mm, when it returns?
 *
 *   bare x86    yes, a remote flush is an IPI that is waited for. (CPUs with an
 *               instruction for remote invalidation need none, and would say no;
 *               this kernel doesn't use it.)
 *   Xen PV      no, it is a hypercall.
 *   Hyper-V     no, it is a hypercall.
 *   KVM, PV     no, vCPUs that the host has preempted get no IPI, they flush when
 *               they run again. Such a vCPU may be in the middle of a walk, and it
 *               goes on with it, interrupts still off.
 *
 * Who flushes is known when early initcalls run.
 */
static inline bool arch_table_flush_waits(void)
{
#ifdef CONFIG_PARAVIRT
	return pv_ops.mmu.flush_tlb_multi == native_flush_tlb_multi;
#else
	return true;
#endif
}

#endif /* _ASM_X86_TABLE_SYNC_H */
