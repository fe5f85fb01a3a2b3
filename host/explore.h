/* SPDX-License-Identifier: GPL-2.0 */
/* The cases that the explorer tries, and what they may call. */
#ifndef HOST_EXPLORE_H
#define HOST_EXPLORE_H

#include "hooks.h"

#define MAX_CPUS 3

/**
 * struct scenario - a small case, tried in every order of its steps
 * @name: in messages and on the command line
 * @values: the number of settings; each is explored for itself
 * @describe: prints the setting's name
 * @setup: makes tasks and mms; runs before the exploration
 * @cpu: runs on each CPU; NULL: the CPU is idle, takes interrupts and runs work items
 * @nmi: runs in an NMI on CPU 0, once, at any time
 * @preempt: runs on a CPU instead of its task, at the moment chosen by preempt_at()
 * @check: runs at the end of every order, when all CPUs are idle
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

/* Ends the exploration with a message and the steps that led to it. */
void violation(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The task of @cpu is preempted at the @n-th time that it enables interrupts. */
void preempt_at(int cpu, int n);
/* A bit for each CPU that must not be interrupted. */
extern unsigned int uninvolved;
/* For the trace. */
void name_memory(const void *p, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* HOST_EXPLORE_H */
