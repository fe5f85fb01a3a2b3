/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel threads that use a user mm, and TLB flushes that leave out other CPUs
 *
 * A task with the only reference in mm_users and with the mm as its own has no sibling on
 * another CPU. Some architectures then flush this CPU alone; of the other CPUs they take the
 * context, so that a CPU to which the task moves begins with a new one. A kernel thread
 * between kthread_use_mm() and kthread_unuse_mm() is on the mm without being in mm_users,
 * unless its caller has taken a reference as well. It is counted here.
 *
 * Such a context may only be taken from a CPU that does not run on it: a CPU without a valid
 * context is one where flushes by interrupt have nothing to do. So it is not enough to look
 * at the count before the contexts are taken. The count is held at zero meanwhile, and a
 * kernel thread that comes then waits some hundred instructions.
 *
 * The count keeps neither the mm_struct nor the address space alive, and mm_users says
 * nothing about kernel threads: exit_mmap() of the last user may find some.
 *
 * The orders are these. CPU 0 changes a page table and flushes, CPU 1 runs a kernel thread.
 *
 * 1. The kernel thread is counted first
 *
 *    CPU 0                                  CPU 1
 *    change page table                      kthread_use_mm()
 *    mm_flush_here_begin()                    mm_kthread_enter()
 *      (A) smp_mb()                             (B) increment, full barrier
 *      (C) not zero, returns false            switch_mm(): context, mm_cpumask()
 *    interrupt the CPUs in mm_cpumask()       (D) full barrier of mmdrop_lazy_tlb()
 *                                           access memory of the mm
 *
 *    The CPU is interrupted like that of a sibling. If CPU 0 finds it in the mask, or
 *    interrupts all, the interrupt comes before or after switch_mm(), never in between,
 *    because interrupts are off there. If CPU 0 does not find it in the mask, then the
 *    change is before the access: (A) with (D), each between a store and a load of what the
 *    other one stores. Without (A) the kernel thread could load the old entry after CPU 0
 *    has read the mask.
 *
 * 2. The count is held at zero first
 *
 *    CPU 0                                  CPU 1
 *    change page table                      kthread_use_mm()
 *    mm_flush_here_begin()                    mm_kthread_enter()
 *      (A) smp_mb()                             -1: waits
 *      (C) 0 -> -1, full barrier
 *    take the context of CPU 1
 *    mm_flush_here_end()
 *      (E) -1 -> 0, release                     (B) increment, full barrier
 *                                             switch_mm(): no context, a new one
 *                                           access memory of the mm
 *
 *    (B) reads what (E) stored, or a later value, so the kernel thread finds both that its
 *    CPU has no context and the new page table. Without the release it could come back to a
 *    context with old translations. Without holding the count, CPU 0 could take the context
 *    after switch_mm() has loaded it.
 *
 * 3. The kernel thread has left
 *
 *    CPU 0                                  CPU 1
 *    change page table                      access memory of the mm
 *    mm_flush_here_begin()                  kthread_unuse_mm()
 *      (C) 0 -> -1, full barrier              mm_kthread_leave()
 *    take the context of CPU 1                  (F) decrement, release
 *    mm_flush_here_end()
 *    free the page
 *
 *    (C) reads what (F) stored, or a later value: the accesses are over when the page is
 *    freed. The CPU keeps the page tables loaded and borrows them, without accesses of its
 *    own. The next one through switch_mm(), of a user task or of a kernel thread, finds no
 *    context.
 *
 * 4. The last user has gone
 *
 *    mm_users is 0, and exit_mmap() flushes before it frees pages, and again before it
 *    frees page tables. With a kernel thread on the mm this is order 1: its CPU is
 *    interrupted. Without one it is order 2, which takes the contexts of all CPUs, because
 *    a kernel thread may still come with a reference to the mm_struct.
 */
#ifndef _LINUX_MM_KTHREADS_H
#define _LINUX_MM_KTHREADS_H

#include <linux/atomic.h>
#include <linux/mm_types.h>
#include <linux/processor.h>
#include <linux/sched.h>

#ifdef CONFIG_MM_KTHREADS

#define MM_KTHREADS_HELD	(-1)

static inline void mm_kthreads_init(struct mm_struct *mm)
{
	atomic_set(&mm->kthreads, 0);
}

/**
 * mm_kthread_enter - count a kernel thread that is about to use a user mm
 * @mm: the address space; the caller has a reference to it
 *
 * Waits while a flush holds the count, which it does with preemption disabled and without
 * waiting for anything. Call it with interrupts enabled, since a flush may wait for an
 * interrupt of this CPU at any other time, and before switch_mm().
 *
 * A full memory barrier, (B) above: flushes of @mm that don't see this thread are over, and
 * what they have changed is seen by the switch to @mm and by accesses after it.
 */
static inline void mm_kthread_enter(struct mm_struct *mm)
{
	/* B, pairs with C in mm_flush_here_begin() and E in mm_flush_here_end() */
	while (!atomic_inc_unless_negative(&mm->kthreads))
		cpu_relax();
}

/**
 * mm_kthread_leave - a kernel thread has used a user mm
 * @mm: the address space
 *
 * Call it after the last access, with a reference to @mm. Release semantics, (F) above:
 * flushes that don't see this thread any more are after its accesses.
 */
static inline void mm_kthread_leave(struct mm_struct *mm)
{
	/* F, pairs with C in mm_flush_here_begin() */
	(void)atomic_dec_return_release(&mm->kthreads);
}

/**
 * mm_flush_here_begin - whether a flush may leave out all other CPUs
 * @mm: the address space that is flushed
 *
 * Returns true if no other CPU runs on @mm for anybody who accesses its memory: no sibling
 * of the current task, no task of another process that owns it, no kernel thread. It stays
 * so until mm_flush_here_end(), which the caller must call soon, without sleeping. Other
 * CPUs may borrow @mm for kernel threads that don't use it. The caller may take the contexts
 * of other CPUs, by plain stores; it must see to it that the next switch_mm() on each to
 * @mm, also from @mm, begins without the translations that are flushed.
 *
 * Returns false if others may run on @mm, or if another flush is between begin and end; then
 * flush all CPUs in mm_cpumask(), or all, and don't call mm_flush_here_end().
 *
 * Call it after the change of the page table, with preemption disabled. In both cases a full
 * memory barrier, (A) above, is between that change and loads of mm_cpumask() and of contexts
 * after it.
 */
static inline bool mm_flush_here_begin(struct mm_struct *mm)
{
	int users;

	smp_mb();	/* A, pairs with D in kthread_use_mm() */
	users = atomic_read(&mm->mm_users);
	if (users > 1 || (users && current->mm != mm))
		return false;
	/* C, pairs with B in mm_kthread_enter() and F in mm_kthread_leave() */
	return atomic_cmpxchg(&mm->kthreads, 0, MM_KTHREADS_HELD) == 0;
}

/**
 * mm_flush_here_end - let kernel threads come to an mm again
 * @mm: the address space for which mm_flush_here_begin() has returned true
 *
 * Release semantics, (E) above: who comes now sees that the contexts are gone.
 */
static inline void mm_flush_here_end(struct mm_struct *mm)
{
	/* E, pairs with B in mm_kthread_enter() */
	atomic_set_release(&mm->kthreads, 0);
}

#else

static inline void mm_kthreads_init(struct mm_struct *mm) { }
static inline void mm_kthread_enter(struct mm_struct *mm) { }
static inline void mm_kthread_leave(struct mm_struct *mm) { }

#endif /* CONFIG_MM_KTHREADS */

#endif /* _LINUX_MM_KTHREADS_H */
