/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Borrowed (lazy TLB) address spaces: what the kernel outside kernel/sched
 * calls. The protocol and its races are in kernel/sched/lazy_mm.c.
 */
#ifndef _LINUX_LAZY_MM_H
#define _LINUX_LAZY_MM_H

#include <linux/mmu_context.h>
#include <linux/sched/mm.h>

#ifdef CONFIG_ARCH_SUPPORTS_LAZY_MM

/* Borrowing and giving back, outside the context switch. */
struct mm_struct *lazy_mm_enter(struct mm_struct *mm, struct task_struct *tsk);
struct mm_struct *lazy_mm_leave(struct mm_struct *mm);
void lazy_mm_put(struct mm_struct *mm);
void lazy_mm_leave_dead_cpu(unsigned int cpu, struct mm_struct *mm);

/* The last flush of an address space, on each CPU that it reaches. */
void lazy_mm_exit_flush(struct mm_struct *mm);

/* The life of an mm_struct. */
unsigned int lazy_mm_layout(unsigned int size);
void lazy_mm_init(struct mm_struct *mm);
bool lazy_mm_final_drop(struct mm_struct *mm);

#else /* !CONFIG_ARCH_SUPPORTS_LAZY_MM */

/*
 * The architecture has no slots. Its MMU_LAZY_TLB_REFCOUNT or MMU_LAZY_TLB_SHOOTDOWN
 * decides, through the helpers of linux/sched/mm.h.
 */
static inline struct mm_struct *lazy_mm_enter(struct mm_struct *mm, struct task_struct *tsk)
{
	enter_lazy_tlb(mm, tsk);
	mmgrab_lazy_tlb(mm);
	return mm;
}

static inline struct mm_struct *lazy_mm_leave(struct mm_struct *mm)
{
	return mm;
}

static inline void lazy_mm_put(struct mm_struct *mm)
{
	mmdrop_lazy_tlb(mm);
}

static inline void lazy_mm_leave_dead_cpu(unsigned int cpu, struct mm_struct *mm)
{
	mmdrop_lazy_tlb(mm);
}

static inline void lazy_mm_exit_flush(struct mm_struct *mm) { }

static inline unsigned int lazy_mm_layout(unsigned int size)
{
	return size;
}

static inline void lazy_mm_init(struct mm_struct *mm) { }

static inline bool lazy_mm_final_drop(struct mm_struct *mm)
{
	return true;
}

#endif /* CONFIG_ARCH_SUPPORTS_LAZY_MM */

#endif /* _LINUX_LAZY_MM_H */
