// SPDX-License-Identifier: GPL-2.0
/*
 * CONFIG_TABLE_SYNC_STANDIN: stand-ins for what an emulated machine lacks, for tests.
 *
 * Performance counters, whose NMIs walk page tables. Here NMIs that nobody else claims
 * do it; QEMU's monitor command "nmi" sends one, with apic_extnmi=all to every CPU. In
 * turn they walk the mm of the task, as perf_virt_to_phys() does, and init_mm, as
 * perf_get_page_size() does for kernel addresses. So an NMI in gup_fast() makes a walk
 * inside a walk of the same mm or of another one.
 *
 * A hypervisor. Where the kernel can't reclaim page tables (PT_RECLAIM), it frees them on
 * bare x86 as pages, after a flush; guests of KVM, Xen and Hyper-V free them by
 * tlb_remove_table(). With the boot parameter table_sync_standin.free=rcu this kernel does
 * so as well; kernels with PT_RECLAIM always do. With
 * table_sync_standin.flush=kvm its flushes leave out CPUs that are in a walk, as KVM's
 * leave out vCPUs that the host has preempted in one; such a CPU flushes when the walk
 * is over.
 *
 * INVLPGB, with which hardware flushes other CPUs' TLBs. With table_sync_standin.flush=invlpgb
 * a flush of several CPUs does what that would: their TLBs are flushed, none of them runs
 * flush_tlb_func(), and lazy ones stay lazy.
 */
#include <linux/atomic.h>
#include <linux/hardirq.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <linux/sched/task_stack.h>
#include <linux/table_sync.h>
#include <linux/uaccess.h>

#include <asm/nmi.h>
#include <asm/paravirt.h>
#include <asm/tlb.h>
#include <asm/tlbflush.h>

#include "table_sync.h"

/* -- NMIs that walk ----------------------------------------------------------- */

static DEFINE_PER_CPU(unsigned int, turn);

static void walk_user(void)
{
	unsigned long addr = user_stack_pointer(current_pt_regs());
	struct mm_struct *outer;
	struct page *page;

	pagefault_disable();
	outer = table_walk_mark(current->mm);
	if (get_user_page_fast_only(addr, 0, &page))
		put_page(page);
	table_walk_unmark(outer);
	pagefault_enable();
}

static void walk_kernel(void)
{
	struct mm_struct *outer = table_walk_mark(&init_mm);
	unsigned int level;

	lookup_address((unsigned long)walk_kernel, &level);
	table_walk_unmark(outer);
}

static int walk_in_nmi(unsigned int cmd, struct pt_regs *regs)
{
	if (this_cpu_inc_return(turn) % 2)
		walk_kernel();
	else if (current->mm && nmi_uaccess_okay())
		walk_user();
	return NMI_HANDLED;
}

static int __init standin_init(void)
{
	return register_nmi_handler(NMI_UNKNOWN, walk_in_nmi, 0, "table_sync");
}
late_initcall(standin_init);

/* -- a hypervisor --------------------------------------------------------------- */

enum { VCPU_RUNS, VCPU_IN_WALK, VCPU_FLUSH_DUE };

static DEFINE_PER_CPU(atomic_t, vcpu);
static DEFINE_PER_CPU(struct cpumask, vcpus_to_flush);

/**
 * table_sync_vcpu_walks() - flushes may leave this CPU out from now on
 *
 * Not in an NMI, which couldn't flush at the end of its walk.
 *
 * Context: preemption disabled, or an NMI.
 */
void table_sync_vcpu_walks(void)
{
	if (!in_nmi())
		atomic_set(this_cpu_ptr(&vcpu), VCPU_IN_WALK);
}

/**
 * table_sync_vcpu_goes_on() - make up for the flushes that have left this CPU out
 *
 * Context: as table_sync_vcpu_walks().
 */
void table_sync_vcpu_goes_on(void)
{
	if (!in_nmi() && atomic_xchg(this_cpu_ptr(&vcpu), VCPU_RUNS) == VCPU_FLUSH_DUE)
		__flush_tlb_all();
}

static void flush_as_kvm(const struct cpumask *cpumask, const struct flush_tlb_info *info)
{
	struct cpumask *mask = this_cpu_ptr(&vcpus_to_flush);
	int cpu;

	cpumask_copy(mask, cpumask);
	for_each_cpu(cpu, cpumask) {
		int state = VCPU_IN_WALK;

		if (atomic_read(per_cpu_ptr(&vcpu, cpu)) == VCPU_FLUSH_DUE ||
		    atomic_try_cmpxchg(per_cpu_ptr(&vcpu, cpu), &state, VCPU_FLUSH_DUE))
			__cpumask_clear_cpu(cpu, mask);
	}
	native_flush_tlb_multi(mask, info);
}

static void flush_tlb_of_cpu(void *unused)
{
	__flush_tlb_all();
}

static void flush_as_invlpgb(const struct cpumask *cpumask, const struct flush_tlb_info *info)
{
	on_each_cpu_mask(cpumask, flush_tlb_of_cpu, NULL, true);
}

/* The parameters are read before there is a second CPU. */
static int flush_set(const char *val, const struct kernel_param *kp)
{
	if (!strcmp(val, "kvm"))
		pv_ops.mmu.flush_tlb_multi = flush_as_kvm;
	else if (!strcmp(val, "invlpgb"))
		pv_ops.mmu.flush_tlb_multi = flush_as_invlpgb;
	else
		return -EINVAL;
	return 0;
}

static const struct kernel_param_ops flush_ops = { .set = flush_set };
module_param_cb(flush, &flush_ops, NULL, 0);

static int free_set(const char *val, const struct kernel_param *kp)
{
	if (strcmp(val, "rcu"))
		return -EINVAL;
#ifndef CONFIG_PT_RECLAIM
	pv_ops.mmu.tlb_remove_table = tlb_remove_table;
#endif
	return 0;
}

static const struct kernel_param_ops free_ops = { .set = free_set };
module_param_cb(free, &free_ops, NULL, 0);
