// SPDX-License-Identifier: GPL-2.0
/*
 * Borrowed (lazy TLB) address spaces without a contended reference count.
 *
 * A kernel thread runs on the page tables of the user task before it. Their
 * mm_struct has to stay alive for as long. Every CPU names the mm that it
 * borrows in a slot of its own, and the drop of the last counted reference
 * looks at the slots. The idea of publishing what is in use instead of counting
 * it is M. Michael's hazard pointers (IEEE TPDS, 2004). Handoff is added: the
 * freeing side neither waits nor retries, it turns the published pointer into a
 * counted reference in the slot.
 *
 * The states of one CPU's slot, for an mm M:
 *
 *                     enter, refcount
 *         +-------------------------------------------+
 *         |                                           v
 *       empty --- enter, hazard/shootdown --> M --- handoff --> M | OWNED
 *         ^                                   |                   |
 *         +------ leave: exchange ------------+                   |
 *         +------ IPI: compare-and-exchange --+                   |
 *         +------ leave: exchange, then mmdrop(M) ----------------+
 *
 * Only the CPU itself stores to an empty slot. Only handoff sets OWNED in a
 * slot that isn't empty. The code that empties a slot with OWNED set holds the
 * reference from then on. A slot describes itself, so no code that gives back
 * needs to know the scheme, and schemes may be mixed and changed at any time.
 *
 *
 * Enter against final drop: no borrower is missed
 * -----------------------------------------------
 *
 *   CPU 0                                 CPU 1
 *   =====                                 =====
 *   [task T holds mm_users/mm_count]
 *   enter, when T stops using M:
 *     set own bit in borrowers
 *     slot = M                      (A)
 *   finish_task():
 *     release: T->on_cpu = 0        (A*)
 *                                         acquire: T->on_cpu is 0
 *                                         [T runs]
 *                                         T drops its reference:
 *                                           atomic_dec_and_test()    (A')
 *                                         mmdrop, here or on a third CPU:
 *                                           atomic_dec_and_test()
 *                                           is true                  (A")
 *                                         for each CPU in borrowers:
 *                                           read its slot
 *
 * Enter is made of plain stores. What orders them is what T has to go through before
 * it drops its own reference, and nobody else drops that:
 *
 *   context_switch()    T is switched away from with ->mm == M, and drops M in
 *                       exit_mm(), exec_mmap() or kthread_unuse_mm() when it runs
 *                       again.
 *   exit_mm(),          T itself borrows M, with interrupts off, and drops its reference
 *   kthread_unuse_mm()  afterwards.
 *
 * If T is on CPU 0 still, or again, the order is that of the program. Else it has moved,
 * and (A*) lies between: a wakeup that places T elsewhere waits for it with an acquire
 * (try_to_wake_up()); a balancer that pulls T takes the lock of CPU 0's run queue, which
 * CPU 0 held until after (A*). Either way (A) comes before (A').
 *
 * The drop that reaches zero is ordered after all others, and both (A') and (A") are
 * full barriers. So the final drop sees bit and slot, unless the slot was emptied
 * meanwhile. With zero references nobody can enter any more: enter needs one.
 *
 * The barriers of membarrier(2) are in front of the store to rq->curr and of the one that
 * clears ->mm (smp_mb__after_spinlock()), not behind: nobody relies on one in enter.
 *
 *
 * Leave against final drop: freed once, and not too early
 * -------------------------------------------------------
 *
 *   CPU 0                                 CPU 1
 *   =====                                 =====
 *   load other page tables                handoff:
 *   leave:                                  mm_count++
 *     v = xchg(slot, empty)         (B)     cmpxchg(slot, M, M|OWNED)  (B')
 *     if (v & OWNED)                        failed: mm_count--
 *       mmdrop(M)                         drop own reference: zero -> free
 *
 * The two operations on the slot happen one after the other. Exchange first:
 * the compare fails, CPU 1 takes its increment back, CPU 0 owes nothing.
 * Compare first: the exchange returns OWNED and CPU 0 drops what CPU 1 counted.
 * With a plain store instead of the exchange both could happen: a leaked mm.
 *
 * If CPU 1 finds the slot empty, its load is an acquire (C) that pairs with (B):
 * everything that CPU 0 did on M, the switch of page tables included, is over
 * when CPU 1 goes on to free M.
 *
 * (B) is also the barrier of membarrier(2) between the store to rq->curr and the
 * return to user space on a kernel->user switch that changes no page tables.
 * context_switch() therefore leaves as soon as switch_mm_irqs_off() has returned, with
 * interrupts off. A reference that leave finds waits in rq->prev_mm for
 * finish_task_switch(), where an mm may be freed. If the mm stays the same,
 * context_switch() synchronises the core after leave, for membarrier(2) (SYNC_CORE). That
 * has to come after the barrier, or the core may fetch old code before rq->curr is seen.
 * So it is (B) even where a reference is counted, whose drop is a barrier, too, but later.
 *
 * switch_mm_irqs_off() must not put the page tables off until later. Architectures
 * that do (32-bit ARM with virtually tagged caches, Alpha) have no slots. Xen PV may
 * have the load in a batch still, but there exit_mmap() waits until no CPU has the
 * page tables loaded.
 *
 * It is an exchange after a full barrier, not this_cpu_xchg(): the latter orders nothing
 * between CPUs. A second barrier, behind the exchange, would serve nobody.
 *
 * The increments of handoff start from a count of zero. It takes a reference of
 * its own before the first, so that a CPU that leaves right after its slot was
 * marked can't free M under the loop. The drop of that reference, a full barrier,
 * also has the free come after a leave that made the compare fail; the failed
 * compare itself orders nothing.
 *
 *
 * An interrupt that takes the mm away
 * -----------------------------------
 *
 * The shootdown IPI, and on x86 the last flush of exit_mmap(), find a CPU that
 * borrows M and move it to init_mm. ->mm, ->active_mm, the page tables and the slot
 * change in one region with interrupts off everywhere (context switch, exit, exec,
 * kthread_use_mm()), so a slot that holds M in an interrupt means that the interrupted
 * task borrows M. One exception: a temporary mm, such as efi_mm inside an EFI call, is
 * loaded with interrupts on, as ->active_mm or behind its back, and M may be due to be
 * restored. Slot and page tables stay then, and handoff makes it safe.
 *
 * Order: ->active_mm and the page tables first, then the slot by compare-and-exchange
 * (B"), full barrier, for the same reason as (B). If a final drop got there first, the
 * CPU is left with an owned slot and ->active_mm == &init_mm; the next leave
 * drops the reference, it asks the slot and not ->active_mm.
 *
 *
 * A rule for all other code: while ->active_mm is a borrowed mm, the slot of this
 * CPU protects it, whatever its count is. The count may be zero, so code that merely
 * borrows an mm must not mmgrab() it.
 */
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/sched/isolation.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include <asm/lazy_tlb.h>

#include "lazy_tlb.h"

#define CREATE_TRACE_POINTS
#include <trace/events/lazy_tlb.h>

DEFINE_PER_CPU_SHARED_ALIGNED(struct lazy_tlb_slot, lazy_tlb_slot);

#ifdef CONFIG_LAZY_TLB_DYNAMIC
enum lazy_tlb_scheme lazy_tlb_scheme __read_mostly = LAZY_TLB_HAZARD;

/**
 * lazy_tlb_set_scheme() - choose how mms are borrowed from now on
 * @scheme: the scheme
 *
 * Each CPU follows at its next enter, each final drop at once. Of two calls at the same
 * time either may win.
 *
 * Context: any.
 */
void lazy_tlb_set_scheme(enum lazy_tlb_scheme scheme)
{
	enum lazy_tlb_scheme old = lazy_tlb_get_scheme();

	WRITE_ONCE(lazy_tlb_scheme, scheme);
	trace_lazy_tlb_scheme(old, scheme);
}
#endif

/* -- the life of an mm_struct ----------------------------------------------- */

unsigned int lazy_tlb_offset __ro_after_init;

/**
 * lazy_tlb_layout() - make room for struct lazy_tlb behind an mm_struct
 * @size: bytes of an mm_struct with its two bitmaps
 *
 * Context: once, when the slab cache for mm_structs is created; the cache has to
 * align its objects to SMP_CACHE_BYTES.
 *
 * Return: the number of bytes to allocate for an mm_struct.
 */
unsigned int __init lazy_tlb_layout(unsigned int size)
{
	unsigned int cpu, first;

	lazy_tlb_offset = ALIGN(size, SMP_CACHE_BYTES);
	first = (lazy_tlb_offset + offsetof(struct lazy_tlb, borrowers)) * BITS_PER_BYTE;
	for_each_possible_cpu(cpu)
		per_cpu(lazy_tlb_slot.bit, cpu) = first + cpu;
	return lazy_tlb_offset +
		ALIGN(sizeof(struct lazy_tlb) + cpumask_size(), SMP_CACHE_BYTES);
}

/**
 * lazy_tlb_init() - clear a new mm's mask of borrowers
 * @mm: a newly allocated mm
 */
void lazy_tlb_init(struct mm_struct *mm)
{
	cpumask_clear(lazy_tlb_borrowers(mm));
}

/**
 * lazy_tlb_first_borrow() - add this CPU to the borrowers of an mm
 * @mm: the mm that it is about to borrow without a count
 *
 * Not inline, because it happens once for each mm and CPU.
 *
 * Context: as lazy_tlb_enter().
 */
void lazy_tlb_first_borrow(struct mm_struct *mm)
{
	cpumask_set_cpu(smp_processor_id(), lazy_tlb_borrowers(mm));
}

/* True if a slot holds @mm. False is an acquire of every leave: (C) pairs with (B). */
static bool lazy_tlb_borrowed(struct mm_struct *mm)
{
	unsigned int cpu;

	for_each_cpu(cpu, lazy_tlb_borrowers(mm)) {
		lazy_tlb_count(LAZY_TLB_EV_LOOKED_AT);
		/* C, pairs with B in __lazy_tlb_leave() */
		if (smp_load_acquire(&per_cpu(lazy_tlb_slot.val, cpu)) == (unsigned long)mm)
			return true;
	}
	return false;
}

/*
 * Turn every slot that holds @mm into a counted reference, see 'Leave against final
 * drop' above.
 *
 * Context: mm_count is zero.
 * Return: true if it still is; nobody borrows @mm, and the caller frees it. False if the
 * CPU that leaves last frees it; the caller must not touch it again.
 */
static bool lazy_tlb_handoff(struct mm_struct *mm)
{
	struct cpumask *borrowers = lazy_tlb_borrowers(mm);
	bool counting = false;
	unsigned int cpu;

	for_each_cpu(cpu, borrowers) {
		unsigned long *slot = &per_cpu(lazy_tlb_slot.val, cpu);
		unsigned long val = (unsigned long)mm;

		lazy_tlb_count(LAZY_TLB_EV_LOOKED_AT);
		/* C, pairs with B in __lazy_tlb_leave() */
		if (smp_load_acquire(slot) != val)
			continue;
		if (!counting) {
			/* A reference of our own: the loop needs @mm. */
			mmgrab(mm);
			lazy_tlb_count(LAZY_TLB_EV_COUNTED);
			counting = true;
		}
		mmgrab(mm);
		/* B', against B in __lazy_tlb_leave() */
		if (try_cmpxchg(slot, &val, (unsigned long)mm | LAZY_TLB_OWNED)) {
			lazy_tlb_count(LAZY_TLB_EV_COUNTED);
			lazy_tlb_count(LAZY_TLB_EV_HANDOFF);
			trace_lazy_tlb_handoff(mm, cpu);
		} else {
			/* It left meanwhile; our own reference remains. */
			atomic_dec(&mm->mm_count);
			lazy_tlb_count_add(LAZY_TLB_EV_COUNTED, 2);
		}
	}

	/* All borrowers of @mm are counted now, so the next final drop is the end. */
	cpumask_clear(borrowers);

	if (!counting)
		return true;
	lazy_tlb_count(LAZY_TLB_EV_COUNTED);
	return atomic_dec_and_test(&mm->mm_count);
}

/* -- taking borrowed mms away ------------------------------------------------ */

/*
 * Move this CPU from @mm, which its slot holds as @val, to init_mm, see 'An interrupt
 * that takes the mm away' above.
 *
 * Context: interrupts disabled.
 * Return: true if the slot was emptied and what @val held is the caller's.
 */
static bool lazy_tlb_take_away(struct mm_struct *mm, unsigned long val)
{
	struct mm_struct *loaded = arch_lazy_tlb_loaded(smp_processor_id());
	struct task_struct *tsk = current;

	if (WARN_ON_ONCE(tsk->mm) || tsk->active_mm != mm)
		return false;
	/* A temporary mm, and maybe a caller who goes back to @mm. */
	if (loaded && loaded != mm && loaded != &init_mm)
		return false;

	tsk->active_mm = &init_mm;
	switch_mm_irqs_off(mm, &init_mm, tsk);
	/* B", against B' in lazy_tlb_handoff(); pairs with C as B does */
	return cmpxchg(&this_cpu_ptr(&lazy_tlb_slot)->val, val, 0) == val;
}

/* The shootdown IPI: let go of a borrowed mm whose count is zero. */
static void lazy_tlb_shoot_cpu(void *unused)
{
	unsigned long val = this_cpu_read(lazy_tlb_slot.val);
	struct mm_struct *mm = lazy_tlb_slot_mm(val);

	/* The CPU of the work item calls this as a function, without an interrupt. */
	if (in_hardirq())
		lazy_tlb_count(LAZY_TLB_EV_SHOOTDOWN_RECEIVED);

	/*
	 * The slot is what keeps the mm allocated while we look at it. Its count
	 * is zero for mms on the list, and for others only between their last
	 * drop and handoff, where they may be let go just as well.
	 */
	if (!mm || (val & LAZY_TLB_OWNED) || atomic_read(&mm->mm_count))
		return;
	lazy_tlb_take_away(mm, val);
}

static LLIST_HEAD(lazy_tlb_dying);

/* Somebody has isolated this CPU, and does not want it to be interrupted. */
static bool lazy_tlb_spares(unsigned int cpu)
{
	bool isolated;

	/* What is isolated may change under our eyes. */
	rcu_read_lock();
	isolated = cpu_is_isolated(cpu) || !housekeeping_cpu(cpu, HK_TYPE_TICK);
	rcu_read_unlock();
	return isolated;
}

/*
 * Shoot down all mms that were added since the last run, with one round of IPIs to
 * the CPUs whose slot holds one of them. A CPU that can't be moved, is isolated or offline
 * gets the mm by handoff.
 *
 * This is a work item because the last mmdrop() may be called with a spinlock
 * held (khugepaged does) for which another CPU spins with interrupts off: it
 * would never answer. A work item holds no locks, and a batch costs one round.
 */
static void lazy_tlb_shoot(struct work_struct *work)
{
	static struct cpumask targets;	/* a work item doesn't run twice at once */
	struct llist_node *dying = llist_del_all(&lazy_tlb_dying);
	struct lazy_tlb *lazy, *next;
	unsigned int cpu, cpus, mms = 0;

	cpumask_clear(&targets);
	llist_for_each_entry(lazy, dying, dying) {
		struct mm_struct *mm = lazy_tlb_mm(lazy);

		for_each_cpu(cpu, lazy_tlb_borrowers(mm)) {
			lazy_tlb_count(LAZY_TLB_EV_LOOKED_AT);
			if (READ_ONCE(per_cpu(lazy_tlb_slot.val, cpu)) == (unsigned long)mm &&
			    !lazy_tlb_spares(cpu))
				__cpumask_set_cpu(cpu, &targets);
		}
		mms++;
	}

	preempt_disable();
	cpumask_and(&targets, &targets, cpu_online_mask);
	cpus = cpumask_weight(&targets);
	trace_lazy_tlb_shootdown(mms, cpus);
	lazy_tlb_count_add(LAZY_TLB_EV_SHOOTDOWN_SENT,
			   cpus - cpumask_test_cpu(smp_processor_id(), &targets));
	on_each_cpu_mask(&targets, lazy_tlb_shoot_cpu, NULL, true);
	preempt_enable();

	llist_for_each_entry_safe(lazy, next, dying, dying) {
		struct mm_struct *mm = lazy_tlb_mm(lazy);

		if (lazy_tlb_handoff(mm))
			__mmdrop(mm);
		cond_resched();
	}
}

static DECLARE_WORK(lazy_tlb_shoot_work, lazy_tlb_shoot);

/* The work frees memory, so it has to run when there is none. */
static struct workqueue_struct *lazy_tlb_shoot_wq __ro_after_init;

static int __init lazy_tlb_shoot_init(void)
{
	lazy_tlb_shoot_wq = alloc_workqueue("lazy_tlb", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return 0;
}
early_initcall(lazy_tlb_shoot_init);

/**
 * lazy_tlb_final_drop() - free an mm now, or leave it to its borrowers
 * @mm: an mm whose mm_count has reached zero
 *
 * The mask and the slots decide, not the scheme in force, which may be younger than
 * the slots.
 *
 * Context: any context that may free an mm. Takes no locks of its own; under
 * shootdown with borrowers left, those of queue_work().
 *
 * Return: true if the caller frees @mm now. False if @mm has been handed to its
 * borrowers or to the shootdown work, and __mmdrop() will be called again; the
 * caller must not touch @mm any more.
 */
bool lazy_tlb_final_drop(struct mm_struct *mm)
{
	if (cpumask_empty(lazy_tlb_borrowers(mm)))
		goto free;

	/* Without a workqueue, early at boot, there is handoff. */
	if (lazy_tlb_get_scheme() == LAZY_TLB_SHOOTDOWN && lazy_tlb_shoot_wq) {
		if (lazy_tlb_borrowed(mm)) {
			lazy_tlb_count(LAZY_TLB_EV_FINAL_BORROWED);
			if (llist_add(&lazy_tlb_of(mm)->dying, &lazy_tlb_dying))
				queue_work(lazy_tlb_shoot_wq, &lazy_tlb_shoot_work);
			return false;
		}
	} else if (!lazy_tlb_handoff(mm)) {
		lazy_tlb_count(LAZY_TLB_EV_FINAL_BORROWED);
		return false;
	}

free:
	lazy_tlb_count(LAZY_TLB_EV_FINAL_FREE);
	lazy_tlb_check_free(mm);
	return true;
}

static bool lazy_tlb_piggyback __ro_after_init = true;
module_param_named(piggyback, lazy_tlb_piggyback, bool, 0444);

/**
 * lazy_tlb_let_go() - stop borrowing an mm at one of its TLB flushes
 * @mm: the mm that is flushed
 *
 * Nothing happens if this CPU does not borrow @mm. For flushes that take CPUs out of
 * mm_cpumask(): no CPU may leave it that still has the page tables loaded.
 *
 * Context: any, preemption disabled. The caller, or the flusher that waits for it, holds a
 * reference on @mm.
 */
void lazy_tlb_let_go(struct mm_struct *mm)
{
	unsigned long flags, val;

	local_irq_save(flags);
	val = this_cpu_read(lazy_tlb_slot.val);
	if (lazy_tlb_slot_mm(val) == mm && lazy_tlb_take_away(mm, val)) {
		lazy_tlb_count(LAZY_TLB_EV_PIGGYBACK);
		if (lazy_tlb_slot_owned(val)) {
			lazy_tlb_count(LAZY_TLB_EV_COUNTED);
			/* Can't be the last: the flusher holds a reference. */
			WARN_ON_ONCE(atomic_dec_and_test(&mm->mm_count));
		}
	}
	local_irq_restore(flags);
}

/**
 * lazy_tlb_exit_flush() - let go of an mm at its last TLB flush
 * @mm: the mm that is flushed, or NULL if the flush is not for one mm
 *
 * The flush of exit_mmap() reaches the lazy CPUs anyway, since it frees page
 * tables. Emptying the slot there usually leaves nothing for the final drop.
 * It is an optimisation: CPUs that the flush doesn't reach are found later.
 *
 * Context: an address-space flush on a CPU in lazy TLB mode, or on one that does not
 * have @mm loaded; interrupts disabled. The flusher waits for it and holds a reference
 * on @mm.
 */
void lazy_tlb_exit_flush(struct mm_struct *mm)
{
	/* With users left it isn't the last flush, and the CPU may borrow it again soon. */
	if (mm && lazy_tlb_piggyback && !atomic_read(&mm->mm_users))
		lazy_tlb_let_go(mm);
}

/**
 * lazy_tlb_flush_interrupts() - shall the last flush interrupt the CPUs that borrow?
 *
 * Where hardware flushes the TLBs of other CPUs, the last flush of an mm interrupts nobody
 * by itself. Under shootdown the borrowers are interrupted soon after; if it is done with
 * the flush, they are out of mm_cpumask() by then, and a flush of one CPU's TLB may do.
 *
 * Context: any.
 * Return: true if the flush should have each CPU that may borrow the mm call
 * lazy_tlb_let_go().
 */
bool lazy_tlb_flush_interrupts(void)
{
	return lazy_tlb_piggyback && lazy_tlb_get_scheme() == LAZY_TLB_SHOOTDOWN;
}

/* -- enter and leave outside the context switch ------------------------------- */

/**
 * lazy_tlb_enter() - start to borrow an mm
 * @mm: the mm of the task that stops using it
 * @tsk: the task that is going to borrow it, ->mm already cleared if it is
 *       the current one
 *
 * Tells the architecture as well (enter_lazy_tlb()).
 *
 * Context: interrupts disabled, on the CPU that borrows; a reference (mm_users
 * or mm_count) on @mm is held until after the call. @mm is not init_mm and not
 * static.
 *
 * No memory barrier. The caller drops the reference on this CPU, or after a release that
 * comes later than this call, as that of ->on_cpu.
 *
 * Return: the mm to store as @tsk's active_mm: @mm, or &init_mm if the scheme
 * is not to borrow.
 */
struct mm_struct *lazy_tlb_enter(struct mm_struct *mm, struct task_struct *tsk)
{
	return __lazy_tlb_enter(mm, tsk);
}

/**
 * lazy_tlb_leave() - stop borrowing an mm
 * @mm: the active mm until now
 *
 * The slot says whether the CPU holds a reference. Architectures without slots go by @mm.
 *
 * Context: interrupts disabled since before ->mm, ->active_mm and the hardware
 * were changed to another mm.
 *
 * Return: an mm with a reference to give back through lazy_tlb_put() where the last
 * reference may be dropped, or NULL. A full memory barrier in every configuration.
 */
struct mm_struct *lazy_tlb_leave(struct mm_struct *mm)
{
	struct mm_struct *owned = __lazy_tlb_leave(mm);

	/* Not every architecture loads page tables by a full barrier. */
	if (!IS_ENABLED(CONFIG_MMU_LAZY_TLB))
		smp_mb();	/* B, for membarrier(2) */
	return owned;
}

/**
 * lazy_tlb_put() - drop the reference that leave found in the slot
 * @mm: what lazy_tlb_leave() returned, may be NULL
 *
 * Context: as mmdrop(); not under the run-queue lock.
 */
void lazy_tlb_put(struct mm_struct *mm)
{
	if (mm)
		mmdrop(mm);
}

/**
 * lazy_tlb_leave_dead_cpu() - stop borrowing on behalf of a CPU that has gone offline
 * @cpu: the CPU; its idle task has switched to init_mm and will not run again
 *       before the CPU comes back
 * @mm: the active mm of that idle task until now
 *
 * Context: CPU hotplug control processor, may drop the last reference.
 */
void lazy_tlb_leave_dead_cpu(unsigned int cpu, struct mm_struct *mm)
{
	/* B, against B' in lazy_tlb_handoff() */
	unsigned long val = xchg(&per_cpu(lazy_tlb_slot.val, cpu), 0);

	if (val & LAZY_TLB_OWNED)
		lazy_tlb_count(LAZY_TLB_EV_COUNTED);
	lazy_tlb_put(lazy_tlb_slot_owned(val));
}
