/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Borrowed (lazy TLB) address spaces: what the kernel outside kernel/sched
 * calls. The protocol and its races are in kernel/sched/lazy_tlb.c.
 */
#ifndef _LINUX_LAZY_TLB_H
#define _LINUX_LAZY_TLB_H

#include <linux/mmu_context.h>
#include <linux/sched/mm.h>

#ifdef CONFIG_ARCH_HAS_LAZY_TLB_SLOTS

/*
 * What keeps a borrowed mm alive. Schemes that borrow without a count come last, so that
 * enter needs one comparison.
 */
enum lazy_tlb_scheme {
	LAZY_TLB_REFCOUNT,	/* mm_count has every borrower */
	LAZY_TLB_NONE,		/* nobody borrows, kernel threads run on init_mm */
	LAZY_TLB_HAZARD,	/* slots; the final drop hands off to borrowers */
	LAZY_TLB_SHOOTDOWN,	/* slots; a work item moves the borrowers away */
	LAZY_TLB_NR_SCHEMES,
};

#define LAZY_TLB_SCHEME_NAMES			\
	{ LAZY_TLB_REFCOUNT,	"refcount" },	\
	{ LAZY_TLB_NONE,	"none" },	\
	{ LAZY_TLB_HAZARD,	"hazard" },	\
	{ LAZY_TLB_SHOOTDOWN,	"shootdown" }

/* Borrowing and giving back, outside the context switch. */
struct mm_struct *lazy_tlb_enter(struct mm_struct *mm, struct task_struct *tsk);
struct mm_struct *lazy_tlb_leave(struct mm_struct *mm);
void lazy_tlb_put(struct mm_struct *mm);
void lazy_tlb_leave_dead_cpu(unsigned int cpu, struct mm_struct *mm);

/* Flushes of an address space, on each CPU that they reach; the last one, and any. */
void lazy_tlb_exit_flush(struct mm_struct *mm);
void lazy_tlb_let_go(struct mm_struct *mm);
bool lazy_tlb_flush_interrupts(void);

/* The life of an mm_struct. */
unsigned int lazy_tlb_layout(unsigned int size);
void lazy_tlb_init(struct mm_struct *mm);
bool lazy_tlb_final_drop(struct mm_struct *mm);

#else /* !CONFIG_ARCH_HAS_LAZY_TLB_SLOTS */

/*
 * The architecture has no slots. The helpers of linux/sched/mm.h do what it has instead,
 * see MMU_LAZY_TLB_REFCOUNT in arch/Kconfig.
 */
static inline struct mm_struct *lazy_tlb_enter(struct mm_struct *mm, struct task_struct *tsk)
{
	enter_lazy_tlb(mm, tsk);
	mmgrab_lazy_tlb(mm);
	return mm;
}

static inline struct mm_struct *lazy_tlb_leave(struct mm_struct *mm)
{
	return mm;
}

static inline void lazy_tlb_put(struct mm_struct *mm)
{
	mmdrop_lazy_tlb(mm);
}

static inline void lazy_tlb_leave_dead_cpu(unsigned int cpu, struct mm_struct *mm)
{
	mmdrop_lazy_tlb(mm);
}

static inline void lazy_tlb_exit_flush(struct mm_struct *mm) { }

static inline unsigned int lazy_tlb_layout(unsigned int size)
{
	return size;
}

static inline void lazy_tlb_init(struct mm_struct *mm) { }

static inline bool lazy_tlb_final_drop(struct mm_struct *mm)
{
	return true;
}

#endif /* CONFIG_ARCH_HAS_LAZY_TLB_SLOTS */

#endif /* _LINUX_LAZY_TLB_H */
