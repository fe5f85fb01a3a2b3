// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that stay in user mode, each on a CPU of its own, as real-time programs do on
 * isolated CPUs. They look at the clock all the time. A gap between two looks is time that
 * somebody has taken from them: an interrupt, the kernel, or under emulation the host.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "workload.h"

static struct {
	pthread_t *thread;
	int nr;
	atomic_bool stop;
} pollers;

static uint64_t now_ns(void)
{
	struct timespec t;

	/* In user mode, where the clock is of the kind that programs can read. */
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static void *poll(void *arg)
{
	uint64_t last, now;

	pin((long)arg);
	last = now_ns();
	while (!atomic_load_explicit(&pollers.stop, memory_order_relaxed)) {
		now = now_ns();
		if (now - last >= 1000)
			count_gap((now - last) / 1000);
		last = now;
	}
	return NULL;
}

void pollers_start(void)
{
	int err;

	atomic_store(&pollers.stop, false);
	pollers.thread = calloc(opt.user_cpus.nr + 1, sizeof(*pollers.thread));
	if (!pollers.thread)
		die("no memory for %d threads", opt.user_cpus.nr);
	for (pollers.nr = 0; pollers.nr < opt.user_cpus.nr; pollers.nr++) {
		err = pthread_create(&pollers.thread[pollers.nr], NULL, poll,
				     (void *)(long)opt.user_cpus.cpu[pollers.nr]);
		if (err)
			die("pthread_create: %s", strerror(err));
	}
}

void pollers_stop(void)
{
	atomic_store(&pollers.stop, true);
	while (pollers.nr)
		pthread_join(pollers.thread[--pollers.nr], NULL);
	free(pollers.thread);
}

void pollers_share(int k, int nr)
{
	struct cpu_list *cpus = &opt.user_cpus;
	int n = 0;

	for (int i = k; i < cpus->nr; i += nr)
		cpus->cpu[n++] = cpus->cpu[i];
	cpus->nr = n;
}
