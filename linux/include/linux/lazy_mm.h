/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Borrowed (lazy TLB) address spaces: what the kernel outside kernel/sched
 * calls. The protocol and its races are in kernel/sched/lazy_mm.c.
 */
#ifndef _LINUX_LAZY_MM_H
#define _LINUX_LAZY_MM_H

#include <linux/types.h>

struct mm_struct;
struct task_struct;

/* Borrowing and giving back, outside the context switch. */
struct mm_struct *lazy_mm_enter(struct mm_struct *mm, struct task_struct *tsk);
struct mm_struct *lazy_mm_leave(void);
struct mm_struct *lazy_mm_evict(void);
void lazy_mm_put(struct mm_struct *mm);
void lazy_mm_leave_dead_cpu(unsigned int cpu);

/* Architecture code that changes ->active_mm itself. */
void mmgrab_lazy_tlb(struct mm_struct *mm);
void mmdrop_lazy_tlb(struct mm_struct *mm);

/* The last flush of an address space, on each CPU that it reaches. */
void lazy_mm_exit_flush(struct mm_struct *mm);

/* The life of an mm_struct. */
unsigned int lazy_mm_layout(unsigned int size);
void lazy_mm_init(struct mm_struct *mm);
bool lazy_mm_final_drop(struct mm_struct *mm);

#endif /* _LINUX_LAZY_MM_H */
