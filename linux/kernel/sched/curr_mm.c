// SPDX-License-Identifier: GPL-2.0
/*
 * For mm/table_sync.c: which mm a CPU runs. The run queue is the scheduler's.
 */
#include <linux/mmu_context.h>
#include <linux/rcupdate.h>
#include <linux/table_sync.h>

#include "sched.h"

/**
 * sched_cpu_runs_mm() - tell whether the task that runs on a CPU has an mm
 * @cpu: the CPU
 * @mm: the mm
 *
 * No lock is taken, so the answer is outdated at once unless the caller orders it
 * against the switch of tasks, as mm/table_sync.c does.
 *
 * Context: any; @cpu is online.
 */
bool sched_cpu_runs_mm(unsigned int cpu, struct mm_struct *mm)
{
	struct task_struct *curr;
	bool runs;

	rcu_read_lock();
	curr = rcu_dereference(cpu_rq(cpu)->curr);
	/*
	 * exec, exit and kthread_use_mm() store ->mm plainly. It is one aligned word, so
	 * this is the mm before or after, and the barriers cover both.
	 */
	runs = data_race(READ_ONCE(curr->mm)) == mm;
	rcu_read_unlock();

	return runs;
}
