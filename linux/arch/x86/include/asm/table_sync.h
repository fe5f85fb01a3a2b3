/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_TABLE_SYNC_H
#define _ASM_X86_TABLE_SYNC_H

#include <asm/cpufeature.h>
#include <asm/paravirt.h>

/*
 * True if a flush of an mm's TLB that has sent interrupts and waited for them has reached
 * every CPU that uses the mm. False is always safe.
 *
 *   bare x86    true: a remote flush is an IPI that is waited for.
 *   INVLPGB,    false: the CPU has an instruction that flushes others without an
 *   RAR         interrupt, and the kernel knows it.
 *   Xen PV      false: the flush is a hypercall.
 *   Hyper-V     false: the flush is a hypercall.
 *   KVM, PV     false: vCPUs that the host has preempted get no IPI, they flush when
 *               they run again. Such a vCPU may be in the middle of a walk, and goes
 *               on with it, interrupts still off.
 *
 * The back end that flushes is known when early initcalls run.
 */
static inline bool arch_table_flush_waits(void)
{
#ifdef X86_FEATURE_INVLPGB
	if (boot_cpu_has(X86_FEATURE_INVLPGB))
		return false;
#endif
#ifdef X86_FEATURE_RAR
	if (boot_cpu_has(X86_FEATURE_RAR))
		return false;
#endif
#ifdef CONFIG_PARAVIRT
	return pv_ops.mmu.flush_tlb_multi == native_flush_tlb_multi;
#else
	return true;
#endif
}

#endif /* _ASM_X86_TABLE_SYNC_H */
