/* SPDX-License-Identifier: GPL-2.0 */
/* What scenarios.c says to the explorer. */
#ifndef HOST_EXPLORE_H
#define HOST_EXPLORE_H

#include "around.h"

#define MAX_CPUS 3

/**
 * struct scenario - a small case of which every order of steps is tried
 * @name: in messages and on the command line
 * @values: how many settings there are to try, each on its own
 * @describe: prints the setting's name
 * @setup: makes tasks and mms; runs before the exploration
 * @cpu: what each CPU does; NULL: it is idle, takes interrupts and does work items
 * @nmi: what an NMI does, at any time, once, on CPU 0
 * @preempt: what happens on a CPU instead of its task, when preempt_at() says
 * @check: at the end of every order, when no CPU has anything left to do
 */
struct scenario {
	const char *name;
	unsigned int values;
	void (*describe)(unsigned int value, char *buf, size_t size);
	void (*setup)(unsigned int value);
	void (*cpu[MAX_CPUS])(void);
	void (*nmi)(void);
	void (*preempt)(void);
	void (*check)(void);
};

extern const struct scenario scenarios[];
extern const unsigned int nr_scenarios;

/* Something that must not be: ends the exploration and prints how it came to it. */
void violation(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The task of @cpu is preempted at the @n-th time that it enables interrupts. */
void preempt_at(int cpu, int n);
/* A set of CPUs: to interrupt one of these is a violation. */
extern unsigned int uninvolved;
/* For the trace. */
void name_memory(const void *p, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* HOST_EXPLORE_H */
