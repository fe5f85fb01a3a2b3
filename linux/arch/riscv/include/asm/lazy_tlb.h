/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_RISCV_LAZY_TLB_H
#define _ASM_RISCV_LAZY_TLB_H

#include <linux/efi.h>
#include <linux/mm.h>
#include <linux/smp.h>

#include <asm/csr.h>

/*
 * The mm whose page tables @cpu runs on. Page tables don't tell which mm is theirs, and
 * those of another CPU can't be seen, so it is &efi_mm or not known.
 */
static inline struct mm_struct *arch_lazy_tlb_loaded(unsigned int cpu)
{
	if (IS_ENABLED(CONFIG_EFI) && cpu == raw_smp_processor_id() && efi_mm.pgd &&
	    (csr_read(CSR_SATP) & SATP_PPN) == virt_to_pfn(efi_mm.pgd))
		return &efi_mm;
	return NULL;
}

#endif /* _ASM_RISCV_LAZY_TLB_H */
