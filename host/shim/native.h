/* SPDX-License-Identifier: GPL-2.0 */
/* Threads as CPUs (native.c), as programs see them. */
#ifndef SHIM_NATIVE_H
#define SHIM_NATIVE_H

#include "hooks.h"
#include "mm/table_sync.h"

/* One thread plays all CPUs, by setting shim_this_cpu. */
extern bool shim_one_thread;

/* The numbers of mms allocated and freed, and the mm freed last. */
extern unsigned long shim_mms_made, shim_mms_freed;
extern struct mm_struct *shim_last_freed;

/* The number of interrupts that a CPU got from other CPUs. */
extern unsigned long shim_interrupts[NR_CPUS];

/* Functions of the test; each may be NULL. */
extern void (*shim_warn_hook)(const char *text);	/* a warning, which ends the program otherwise */
extern void (*shim_walk_hook)(void);			/* inside of each walk */
extern void (*shim_irq_hook)(void);			/* at the start of each interrupt */
extern void (*shim_open_hook)(void);			/* interrupts have been enabled */
extern void (*shim_free_hook)(struct mm_struct *mm);	/* before an mm is freed */
extern void (*shim_relax_hook)(void);			/* between two looks, instead of a pause */
extern void (*shim_delay_hook)(void);			/* shim_until_delay has reached 0 */

/* Takes what is due: interrupts, the end of a grace period, a request to stand still. */
void shim_poll(void);
/* As shim_poll(), in a loop that waits; @turn counts its turns. */
void shim_relax(unsigned int turn);
/* Runs the work that is queued, as a worker of this CPU. False: nothing was queued. */
bool shim_run_work(void);
/* An NMI on this CPU. */
void shim_nmi(void (*handler)(void));
/* This CPU, after idle_task_exit() and finish_cpu(), comes back with its idle task. */
void shim_bring_cpu_up(void);
#ifdef CONFIG_LAZY_TLB_STATS
/* The kernel's counters, summed over all CPUs. */
unsigned long shim_lazy_events(enum lazy_tlb_event ev);
unsigned long shim_sync_events(enum table_sync_event ev);
#endif
/* True if all mms are freed and none was written to afterwards; otherwise prints which. */
bool shim_mms_are_gone(void);

#endif /* SHIM_NATIVE_H */
