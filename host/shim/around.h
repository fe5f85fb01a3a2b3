/* SPDX-License-Identifier: GPL-2.0 */
/* What tests see of the kernel around our files (around.c, native.c, explore.c). */
#ifndef SHIM_AROUND_H
#define SHIM_AROUND_H

#include <linux/lazy_tlb.h>
#include <linux/table_sync.h>

#include "sched/lazy_tlb.h"

/* The x86 TLB's view of a CPU. */
struct tlb_state {
	struct mm_struct *loaded_mm;
	int is_lazy;
};

DECLARE_PER_CPU(struct tlb_state, cpu_tlbstate);

/* -- tasks and mms: around.c ------------------------------------------------------ */

/* A new mm with one user, who holds one reference. */
struct mm_struct *mm_alloc(void);
/* The last user's exit flushes on all CPUs that have it loaded, then drops it. */
void mmput(struct mm_struct *mm);

/* CPU @cpu runs @task from the beginning. */
void start_task(int cpu, struct task_struct *task);
/* Run @next here; waits until no other CPU runs it. */
void context_switch(struct task_struct *next);
/* The current task gives up its mm and goes on as a kernel thread does. */
void exit_mm(void);
/* The current task, with or without an mm, gets @mm and the caller's reference. */
void exec_mmap(struct mm_struct *mm);
void kthread_use_mm(struct mm_struct *mm);
void kthread_unuse_mm(struct mm_struct *mm);
/* A call of EFI firmware. */
void efi_call(void);
/* The rest of this CPU's life, and what another CPU does afterwards. */
void idle_task_exit(void);
void finish_cpu(int cpu);

/* membarrier(2) for the current task's mm: MEMBARRIER_CMD_PRIVATE_EXPEDITED[_SYNC_CORE]. */
void membarrier(bool sync_core);
/* Code that tasks change and run; a core may have fetched an older one. */
extern unsigned int shim_code;
DECLARE_PER_CPU(unsigned int, shim_code_fetched);

/* -- page tables: around.c ---------------------------------------------------------- */

/* For native.c, in the middle of each walk. */
#ifdef SHIM_EXPLORE
#define shim_in_walk()	((void)0)
#else
void shim_in_walk(void);
#endif

#define SHIM_TABLES 16
/* What a walk finds in a table; not 0 once somebody else owns it. */
extern unsigned int shim_table[SHIM_TABLES];
/* Puts a new table in place of the mm's; the old one. */
unsigned int change_table(struct mm_struct *mm);
/* Interrupts the CPUs that use the mm, lazy ones too if tables are freed. */
void flush_tlb_mm(struct mm_struct *mm, bool freed_tables);
/* Two mms share a hugetlb table. */
void share_table(struct mm_struct *a, struct mm_struct *b, unsigned int table);
/* The mm gives up its shared table: unmapped, flushed, waited for. i_mmap_rwsem is held. */
void unshare_table(struct mm_struct *mm);
/* From here on the table belongs to somebody else. */
void reuse_table(unsigned int table);
/* Walks: of the current task, of an interrupt that marks, of any mm by anybody. */
void gup_fast(void);
void perf_walk(void);
void marked_walk(struct mm_struct *mm);

/* Context tracking (nohz_full): does a CPU have it? It is in the kernel. */
void start_context(int cpu, bool active);
/* The current task to user mode and back. */
void user_enter(void);
void user_exit(void);

/* -- given by native.c or explore.c ----------------------------------------------------- */

/* Flushes wait for walks; or they leave out CPUs that a hypervisor doesn't run, here all. */
extern bool shim_flush_waits, shim_flush_passes_over;
/* Switching page tables is no barrier: not all architectures have one there. */
extern bool shim_weak_switch;
int initcall_table_sync_flush_init(void);
void set_current(struct task_struct *task);
struct mm_struct *shim_mm_get_memory(unsigned int size);
void shim_mm_free(struct mm_struct *mm);
/* Waits until @done(@arg), which looks at one thing; an acquire. */
void shim_wait(bool (*done)(void *arg), void *arg);
/*
 * As stop_machine() does it: while no other CPU has preemption or interrupts disabled,
 * clears this CPU in shim_online, with a full barrier on each CPU, and takes the
 * interrupts that are still due. Interrupts are disabled from then on. From before that
 * until shim_cpu_is_down(), nobody else holds cpus_read_lock().
 */
void shim_take_cpu_down(void);
void shim_cpu_is_down(void);
/* Another owner's table was seen by a walk. */
void shim_walk_survived(unsigned int table);

#endif /* SHIM_AROUND_H */
