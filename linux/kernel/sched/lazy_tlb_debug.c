// SPDX-License-Identifier: GPL-2.0
/*
 * CONFIG_DEBUG_LAZY_TLB: look at every CPU whenever an mm is freed, and at the
 * own slot whenever a CPU starts to borrow.
 */
#include <linux/bug.h>
#include <linux/rcupdate.h>

#include <asm/lazy_tlb.h>

#include "lazy_tlb.h"
#include "sched.h"

/**
 * lazy_tlb_check_enter() - warn if a CPU that starts to borrow does so already
 * @mm: the mm to borrow
 *
 * Context: as lazy_tlb_enter().
 */
void lazy_tlb_check_enter(struct mm_struct *mm)
{
	unsigned long val = this_cpu_read(lazy_tlb_slot.val);

	WARN_ONCE(val, "lazy_tlb: enter(%p) finds slot %lx in use\n", mm, val);
	WARN_ONCE(!irqs_disabled() && !preempt_count(),
		  "lazy_tlb: enter(%p) with preemption enabled\n", mm);
	WARN_ONCE(mm == &init_mm, "lazy_tlb: init_mm can't be borrowed\n");
}

/**
 * lazy_tlb_check_free() - warn if a CPU holds an mm that is about to be freed
 * @mm: an mm that passed its final drop
 *
 * Three places per possible CPU: the slot, the active mm of the task that runs
 * there, the page tables that are loaded. The slot is read first, since the
 * other two are changed before a slot is emptied (B).
 */
void lazy_tlb_check_free(struct mm_struct *mm)
{
	unsigned int cpu;

	rcu_read_lock();
	for_each_possible_cpu(cpu) {
		/* Pairs with (B) and (B"), as (C) does. */
		unsigned long val = smp_load_acquire(&per_cpu(lazy_tlb_slot.val, cpu));
		struct task_struct *curr = rcu_dereference(cpu_rq(cpu)->curr);
		/*
		 * The scheduler and exec store ->active_mm plainly. It is one aligned
		 * word, and neither the mm before nor the one after may be @mm.
		 */
		struct mm_struct *active = curr ? data_race(READ_ONCE(curr->active_mm)) : NULL;

		WARN_ONCE(lazy_tlb_slot_mm(val) == mm,
			  "lazy_tlb: freeing %p, slot of CPU %u is %lx\n", mm, cpu, val);
		WARN_ONCE(active == mm,
			  "lazy_tlb: freeing %p, active_mm of %s[%d] on CPU %u\n",
			  mm, curr->comm, curr->pid, cpu);
		WARN_ONCE(arch_lazy_tlb_loaded(cpu) == mm,
			  "lazy_tlb: freeing %p, its page tables are loaded on CPU %u\n",
			  mm, cpu);
	}
	rcu_read_unlock();
}
