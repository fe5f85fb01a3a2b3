/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_ARM64_LAZY_TLB_H
#define _ASM_ARM64_LAZY_TLB_H

#include <linux/bits.h>
#include <linux/cpufeature.h>
#include <linux/efi.h>
#include <linux/pgtable.h>
#include <linux/smp.h>
#include <linux/thread_info.h>

#include <asm/sysreg.h>

/*
 * The mm whose page tables @cpu runs on. Page tables don't tell which mm is theirs, and
 * those of another CPU can't be seen, so it is &efi_mm or not known. Where PAN is emulated,
 * an exception finds the page tables put aside in thread_info.
 */
static inline struct mm_struct *arch_lazy_tlb_loaded(unsigned int cpu)
{
	if (IS_ENABLED(CONFIG_EFI) && cpu == raw_smp_processor_id()) {
		u64 ttbr = read_sysreg(ttbr0_el1);

#ifdef CONFIG_ARM64_SW_TTBR0_PAN
		if (system_uses_ttbr0_pan())
			ttbr = READ_ONCE(current_thread_info()->ttbr0);
#endif
		/* The address (BADDR), without the ASID and CnP. */
		ttbr &= GENMASK_ULL(47, 1);
		if (efi_mm.pgd && ttbr == phys_to_ttbr(virt_to_phys(efi_mm.pgd)))
			return &efi_mm;
	}
	return NULL;
}

#endif /* _ASM_ARM64_LAZY_TLB_H */
