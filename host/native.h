/* SPDX-License-Identifier: GPL-2.0 */
/* What programs see of native.c: threads as CPUs. */
#ifndef HOST_NATIVE_H
#define HOST_NATIVE_H

#include "around.h"
#include "mm/table_sync.h"

/* One thread plays all CPUs, by setting shim_this_cpu. */
extern bool shim_one_thread;

/* How many mms there were, how many were freed, and which one last. */
extern unsigned long shim_mms_made, shim_mms_freed;
extern struct mm_struct *shim_last_freed;

/* How often a CPU has been interrupted by others. */
extern unsigned long shim_interrupts[NR_CPUS];

/* If set: gets the warnings, which otherwise end the program. */
extern void (*shim_warn_hook)(const char *text);
/* If set: gets the text of pr_err(). */
extern void (*shim_err_hook)(const char *text);
/* If set: is called inside of each walk, by each interrupt, for an mm before it is freed. */
extern void (*shim_walk_hook)(void);
extern void (*shim_irq_hook)(void);
extern void (*shim_free_hook)(struct mm_struct *mm);
/* If set: is called when interrupts have been enabled. */
extern void (*shim_open_hook)(void);
/* If set: is called before the access at which shim_until_delay becomes 0. */
extern void (*shim_delay_hook)(void);

/* Takes what is due: interrupts, grace periods, being stopped. For loops. */
void shim_poll(void);
/* As shim_poll(), in a loop that waits; @turn counts its turns. */
void shim_relax(unsigned int turn);
/* Runs the work that is queued, as a worker of this CPU. False: there was none. */
bool shim_run_work(void);
/* An NMI on this CPU. */
void shim_nmi(void (*handler)(void));
/* This CPU, taken down and finished, comes back with its idle task. */
void shim_bring_cpu_up(void);
#ifdef CONFIG_LAZY_TLB_STATS
/* The kernel's counters, of all CPUs. */
unsigned long shim_lazy_events(enum lazy_tlb_event ev);
unsigned long shim_sync_events(enum table_sync_event ev);
#endif
/* Are all mms freed, and was none written to after that? Says what isn't. */
bool shim_mms_are_gone(void);

#endif /* HOST_NATIVE_H */
