/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel around our files, as tests see it: the models of hooks.c, and what native.c or
 * explore.c provides for them.
 */
#ifndef SHIM_HOOKS_H
#define SHIM_HOOKS_H

#include <linux/lazy_tlb.h>
#include <linux/mm_kthreads.h>
#include <linux/table_sync.h>

#include "sched/lazy_tlb.h"

/* The x86 TLB's view of a CPU. */
struct tlb_state {
	struct mm_struct *loaded_mm;
	int is_lazy;
};

DECLARE_PER_CPU(struct tlb_state, cpu_tlbstate);

/* -- tasks and mms: hooks.c ------------------------------------------------ */

/* A new mm with one user and one reference, which the user holds. */
struct mm_struct *mm_alloc(void);
/* The last one flushes on all CPUs that have the mm loaded, then drops the reference. */
void mmput(struct mm_struct *mm);
/* The same on powerpc, where the last flush interrupts nobody by itself. */
void radix_mmput(struct mm_struct *mm);

/* At the start of a test: @task is current on @cpu. */
void start_task(int cpu, struct task_struct *task);
/* Runs @next on this CPU; waits until no other CPU runs it. */
void context_switch(struct task_struct *next);
/* The current task gives up its mm and goes on as a kernel thread does. */
void exit_mm(void);
/* The first part of that: the reference is still held. */
void exit_mm_clear(void);
/* The current task, with or without an mm, gets @mm and the caller's reference. */
void exec_mmap(struct mm_struct *mm);
void kthread_use_mm(struct mm_struct *mm);
void kthread_unuse_mm(struct mm_struct *mm);
/* A call of EFI firmware, with efi_mm as ->active_mm or behind the back of ->active_mm. */
void efi_call(void);
void temporary_mm_call(void);
/*
 * This CPU goes offline; then another CPU finishes that. A thread on it may give up what it
 * borrows before.
 */
void sched_force_init_mm(void);
void idle_task_exit(void);
void finish_cpu(int cpu);

/* membarrier(2) for the current task's mm: MEMBARRIER_CMD_PRIVATE_EXPEDITED[_SYNC_CORE]. */
void membarrier(bool sync_core);
/* The version of code that tasks change and run, and the one that each core has fetched. */
extern unsigned int shim_code;
DECLARE_PER_CPU(unsigned int, shim_code_fetched);

/* -- page tables: hooks.c -------------------------------------------------- */

/* Called in the middle of each walk; native.c lets a test hook in there. */
#ifdef SHIM_EXPLORE
#define shim_in_walk()	((void)0)
#else
void shim_in_walk(void);
#endif

#define SHIM_TABLES 16
/* Not 0 once the table is used for other things; a walk that finds that has failed. */
extern unsigned int shim_table[SHIM_TABLES];
/* Puts a new table in place of the mm's and returns the old one. */
unsigned int change_table(struct mm_struct *mm);
/* Interrupts the CPUs that use the mm, lazy ones too if tables are freed. */
void flush_tlb_mm(struct mm_struct *mm, bool freed_tables);
/* powerpc: interrupts the CPUs that use the mm, and those that only borrow it let it go. */
void exit_flush_lazy_tlbs(struct mm_struct *mm);
/* Two mms share a hugetlb table. */
void share_table(struct mm_struct *a, struct mm_struct *b, unsigned int table);
/* The mm gives up its shared table: entry cleared, TLB flushed, walks waited for. */
void unshare_table(struct mm_struct *mm);
/* From here on the table is used for other things. */
void reuse_table(unsigned int table);
/* Walks: by a task of its own mm, by an NMI of the interrupted task's, of any mm. */
void gup_fast(void);
void perf_walk(void);
void marked_walk(struct mm_struct *mm);

/*
 * Translations of mm A on CPUs with contexts of their own, as on mips and loongarch: a CPU
 * without one takes a new one in switch_mm(), and has nothing to flush meanwhile. There are
 * two pages at two addresses. Only with shim_contexts.
 */
enum { SHIM_ADDRESSES = 2 };
/* At the start of a test: @cpu has a context and both translations. */
void start_context_of_mm(int cpu, struct mm_struct *mm);
/* Puts another page at an address, flushes, and frees the page that was there. */
void replace_page(struct mm_struct *mm, int address);
/* exit_mmap(): no page is left. */
void replace_all_pages(struct mm_struct *mm);
/* By the current task: a page that was freed is a violation. */
void access_page(int address);
/* An access of a page that somebody has freed: a failure. */
void shim_stale_access(int address);

/* @cpu is in the kernel; @active: it has context tracking (nohz_full). */
void start_context(int cpu, bool active);
/* The current task enters user mode, and leaves it. */
void user_enter(void);
void user_exit(void);

/* -- properties of the machine that tests choose --------------------------- */

/* A TLB flush waits until its interrupts are handled; mm/table_sync.c's initcall asks. */
extern bool shim_flush_waits;
int initcall_table_sync_init(void);
/* How long a wait looks at a CPU with context tracking before it interrupts it. */
unsigned int *param_patience_us(void);
/* Before it has been called, shootdown is handoff. */
int initcall_lazy_tlb_shoot_init(void);
/* A flush interrupts no CPU, as if a hypervisor had preempted all other CPUs. */
extern bool shim_flush_passes_over;
/* A switch of page tables is no barrier, as on some architectures. */
extern bool shim_weak_switch;
/* CPUs have contexts of an mm, and flushes that leave out other CPUs take these. */
extern bool shim_contexts;

/* -- provided by native.c or explore.c ------------------------------------- */

void set_current(struct task_struct *task);
struct mm_struct *shim_mm_get_memory(unsigned int size);
void shim_mm_free(struct mm_struct *mm);
/* Waits until @done(@arg) is true. @done makes one access, which is an acquire. */
void shim_wait(bool (*done)(void *arg), void *arg);
/*
 * As stop_machine() does it: while no other CPU has preemption or interrupts disabled,
 * clears this CPU in shim_online, with a full barrier on each CPU, and takes the
 * interrupts that are still due. Interrupts are disabled from then on. No other CPU holds
 * cpus_read_lock() from before that until shim_cpu_is_down().
 */
void shim_take_cpu_down(void);
void shim_cpu_is_down(void);
/* A walk has seen a table that is used for other things already: a failure. */
void shim_walk_survived(unsigned int table);

#endif /* SHIM_HOOKS_H */
