/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Borrowed (lazy TLB) address spaces: slot, schemes, and the two operations
 * that the context switch runs inline. The head of kernel/sched/lazy_tlb.c explains the
 * protocol and the letters at the barriers.
 */
#ifndef _KERNEL_SCHED_LAZY_TLB_H
#define _KERNEL_SCHED_LAZY_TLB_H

#include <linux/cache.h>
#include <linux/cpumask.h>
#include <linux/lazy_tlb.h>
#include <linux/llist.h>
#include <linux/mm_types.h>
#include <linux/mmu_context.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>

#ifdef CONFIG_ARCH_HAS_LAZY_TLB_SLOTS

/* -- the scheme ----------------------------------------------------------- */

#ifdef CONFIG_LAZY_TLB_DYNAMIC
extern enum lazy_tlb_scheme lazy_tlb_scheme;

/*
 * A change of the scheme is one store: each slot says what it holds, so no reference
 * that was made under the old scheme has to be found.
 */
static __always_inline enum lazy_tlb_scheme lazy_tlb_get_scheme(void)
{
	return READ_ONCE(lazy_tlb_scheme);
}

void lazy_tlb_set_scheme(enum lazy_tlb_scheme scheme);
#else
static __always_inline enum lazy_tlb_scheme lazy_tlb_get_scheme(void)
{
	if (IS_ENABLED(CONFIG_LAZY_TLB_REFCOUNT))
		return LAZY_TLB_REFCOUNT;
	if (IS_ENABLED(CONFIG_LAZY_TLB_HAZARD))
		return LAZY_TLB_HAZARD;
	if (IS_ENABLED(CONFIG_LAZY_TLB_SHOOTDOWN))
		return LAZY_TLB_SHOOTDOWN;
	return LAZY_TLB_NONE;
}

/* The one scheme is in force already. */
static inline void lazy_tlb_set_scheme(enum lazy_tlb_scheme scheme) { }
#endif

/* -- counters ------------------------------------------------------------- */

enum lazy_tlb_event {
	LAZY_TLB_EV_ENTER,
	LAZY_TLB_EV_LEAVE,
	LAZY_TLB_EV_COUNTED,
	LAZY_TLB_EV_HANDOFF,
	LAZY_TLB_EV_SHOOTDOWN_SENT,
	LAZY_TLB_EV_SHOOTDOWN_RECEIVED,
	LAZY_TLB_EV_PIGGYBACK,
	LAZY_TLB_EV_LOOKED_AT,
	LAZY_TLB_EV_FINAL_FREE,
	LAZY_TLB_EV_FINAL_BORROWED,
	LAZY_TLB_NR_EVENTS,
};

#ifdef CONFIG_LAZY_TLB_STATS
struct lazy_tlb_stats {
	unsigned long event[LAZY_TLB_NR_EVENTS];
};
DECLARE_PER_CPU(struct lazy_tlb_stats, lazy_tlb_stats);

static __always_inline void lazy_tlb_count_add(enum lazy_tlb_event ev, unsigned long n)
{
	this_cpu_add(lazy_tlb_stats.event[ev], n);
}
#else
static __always_inline void lazy_tlb_count_add(enum lazy_tlb_event ev, unsigned long n) { }
#endif

static __always_inline void lazy_tlb_count(enum lazy_tlb_event ev)
{
	lazy_tlb_count_add(ev, 1);
}

/* -- the slot ------------------------------------------------------------- */

/*
 * The mm that a CPU borrows: its address, with LAZY_TLB_OWNED in the lowest bit if the
 * CPU holds a reference in mm_count. Zero: the CPU borrows nothing, or init_mm, which is
 * neither counted nor stored.
 *
 * It has a cache line of its own. The only remote accesses are those of a final drop.
 */
struct lazy_tlb_slot {
	unsigned long val;
	/* This CPU's bit in the mask of borrowers, counted from the mm_struct's start. */
	unsigned int bit;
} ____cacheline_aligned_in_smp;

#define LAZY_TLB_OWNED	1UL

DECLARE_PER_CPU_SHARED_ALIGNED(struct lazy_tlb_slot, lazy_tlb_slot);

static __always_inline struct mm_struct *lazy_tlb_slot_mm(unsigned long val)
{
	return (struct mm_struct *)(val & ~LAZY_TLB_OWNED);
}

/* The mm whose reference goes with the content of a slot, or NULL. */
static __always_inline struct mm_struct *lazy_tlb_slot_owned(unsigned long val)
{
	return val & LAZY_TLB_OWNED ? lazy_tlb_slot_mm(val) : NULL;
}

/* -- the room behind a dynamically allocated mm_struct ----------------------- */

/*
 * It has cache lines of its own, because every switch of page tables writes the cpumask
 * and the concurrency ids in front of it. Static mms have no such room unless they are
 * declared with it; nobody borrows those without, such as init_mm.
 */
struct lazy_tlb {
	/* An entry of the list of mms to shoot down, see lazy_tlb_shoot(). */
	struct llist_node dying;
	/* CPUs that have borrowed this mm under a scheme that needs the mask. */
	unsigned long borrowers[];
};

extern unsigned int lazy_tlb_offset;

static __always_inline struct lazy_tlb *lazy_tlb_of(struct mm_struct *mm)
{
	return (void *)mm + lazy_tlb_offset;
}

/* The mm_struct in front of what lazy_tlb_of() returned. */
static __always_inline struct mm_struct *lazy_tlb_mm(struct lazy_tlb *lazy)
{
	return (void *)lazy - lazy_tlb_offset;
}

static __always_inline struct cpumask *lazy_tlb_borrowers(struct mm_struct *mm)
{
	return to_cpumask(lazy_tlb_of(mm)->borrowers);
}

/*
 * Has this CPU borrowed @mm before, under a scheme with a mask? That is its bit in
 * lazy_tlb_borrowers(). ->bit saves the way there: lazy_tlb_offset, the CPU's number and
 * the arithmetic are in it already, in the line that enter writes next.
 */
static __always_inline bool lazy_tlb_has_borrowed(const struct lazy_tlb_slot *slot,
						  struct mm_struct *mm)
{
	return test_bit(slot->bit, (unsigned long *)mm);
}

#ifdef CONFIG_DEBUG_LAZY_TLB
void lazy_tlb_check_enter(struct mm_struct *mm);
void lazy_tlb_check_free(struct mm_struct *mm);
#else
static inline void lazy_tlb_check_enter(struct mm_struct *mm) { }
static inline void lazy_tlb_check_free(struct mm_struct *mm) { }
#endif

/* -- enter and leave -------------------------------------------------------- */

/*
 * An exchange with a full barrier in it or in front of it. Architectures on which xchg()
 * has one on each side define this.
 */
#ifndef xchg_after_mb
#define xchg_after_mb(ptr, new)	xchg(ptr, new)
#endif

void lazy_tlb_first_borrow(struct mm_struct *mm);

/* Borrow with a reference in mm_count. */
static __always_inline void lazy_tlb_borrow_counted(struct mm_struct *mm)
{
	this_cpu_write(lazy_tlb_slot.val, (unsigned long)mm | LAZY_TLB_OWNED);
	mmgrab(mm);
	lazy_tlb_count(LAZY_TLB_EV_COUNTED);
}

/* Borrow without one. */
static __always_inline void lazy_tlb_borrow_slot(struct mm_struct *mm)
{
	struct lazy_tlb_slot *slot = this_cpu_ptr(&lazy_tlb_slot);

	/* No switch clears the bit, so only the first one writes what others read. */
	if (unlikely(!lazy_tlb_has_borrowed(slot, mm)))
		lazy_tlb_first_borrow(mm);
	/* A, before the task's own drop (A'), see 'Enter against final drop' */
	WRITE_ONCE(slot->val, (unsigned long)mm);
}

/* lazy_tlb_enter() for the context switch. */
static __always_inline struct mm_struct *
__lazy_tlb_enter(struct mm_struct *mm, struct task_struct *tsk)
{
	enum lazy_tlb_scheme scheme = lazy_tlb_get_scheme();

	lazy_tlb_check_enter(mm);
	lazy_tlb_count(LAZY_TLB_EV_ENTER);

	if (likely(scheme >= LAZY_TLB_HAZARD)) {
		enter_lazy_tlb(mm, tsk);
		lazy_tlb_borrow_slot(mm);
		return mm;
	}
	if (scheme == LAZY_TLB_REFCOUNT) {
		enter_lazy_tlb(mm, tsk);
		lazy_tlb_borrow_counted(mm);
		return mm;
	}
	switch_mm_irqs_off(mm, &init_mm, tsk);
	return &init_mm;
}

/* lazy_tlb_leave() for the context switch. A full barrier, unless it says otherwise. */
static __always_inline struct mm_struct *__lazy_tlb_leave(struct mm_struct *mm)
{
	unsigned long val;

	lazy_tlb_count(LAZY_TLB_EV_LEAVE);

	/* Nobody borrows. No barrier: the caller has just loaded other page tables. */
	if (!IS_ENABLED(CONFIG_MMU_LAZY_TLB))
		return NULL;

	/* B, against B' in lazy_tlb_handoff() */
	val = xchg_after_mb(&this_cpu_ptr(&lazy_tlb_slot)->val, 0);
	if (val & LAZY_TLB_OWNED)
		lazy_tlb_count(LAZY_TLB_EV_COUNTED);
	return lazy_tlb_slot_owned(val);
}

/*
 * After leave, on the way from a kernel thread on @mm to a task of @next. If that is the
 * same mm, no switch of page tables has synchronised the core, which membarrier(2) may
 * want (SYNC_CORE).
 */
static __always_inline void lazy_tlb_sync_core(struct mm_struct *mm, struct mm_struct *next)
{
#ifdef CONFIG_MEMBARRIER
	if (mm == next && unlikely(atomic_read(&next->membarrier_state) &
				   MEMBARRIER_STATE_PRIVATE_EXPEDITED_SYNC_CORE))
		sync_core_before_usermode();
#endif
}

/* Drop the reference that leave found. PREEMPT_RT must not free an mm here. */
static __always_inline void lazy_tlb_finish(struct mm_struct *owned)
{
	mmdrop_sched(owned);
}

#else /* !CONFIG_ARCH_HAS_LAZY_TLB_SLOTS */

#define __lazy_tlb_enter(mm, tsk)	lazy_tlb_enter(mm, tsk)
#define __lazy_tlb_leave(mm)		lazy_tlb_leave(mm)
static __always_inline void lazy_tlb_sync_core(struct mm_struct *mm, struct mm_struct *next) { }

static __always_inline void lazy_tlb_finish(struct mm_struct *mm)
{
	membarrier_mm_sync_core_before_usermode(mm);
	mmdrop_lazy_tlb_sched(mm);
}

#endif /* CONFIG_ARCH_HAS_LAZY_TLB_SLOTS */

#endif /* _KERNEL_SCHED_LAZY_TLB_H */
