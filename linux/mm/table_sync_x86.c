// SPDX-License-Identifier: GPL-2.0
/*
 * CONFIG_DEBUG_TABLE_SYNC_X86: stand-ins for what an emulated machine lacks.
 *
 * Performance counters, whose NMIs walk page tables. Here NMIs that nobody else claims
 * do it; QEMU's monitor command "nmi" sends one, with apic_extnmi=all to every CPU. In
 * turn they walk the mm of the task, as perf_virt_to_phys() does, and init_mm, as
 * perf_get_page_size() does for kernel addresses. So an NMI in gup_fast() makes a walk
 * inside a walk of the same mm or of another one.
 *
 * A hypervisor. On bare x86 page tables are freed as pages are, after a flush; guests
 * of KVM, Xen and Hyper-V free them by tlb_remove_table(). With the boot parameter
 * table_free=rcu this kernel does so as well.
 */
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/ptrace.h>
#include <linux/sched/task_stack.h>
#include <linux/table_sync.h>
#include <linux/uaccess.h>

#include <asm/nmi.h>
#include <asm/paravirt.h>
#include <asm/tlb.h>

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

static int __init table_sync_x86_init(void)
{
	return register_nmi_handler(NMI_UNKNOWN, walk_in_nmi, 0, "table_sync");
}
late_initcall(table_sync_x86_init);

static int __init table_free_setup(char *str)
{
	if (str && !strcmp(str, "rcu"))
		pv_ops.mmu.tlb_remove_table = tlb_remove_table;
	else
		pr_err("table_sync: table_free=%s: accepted is rcu, no change\n", str ?: "");
	return 0;
}
early_param("table_free", table_free_setup);
