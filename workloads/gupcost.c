// SPDX-License-Identifier: GPL-2.0
/*
 * What gup_fast() costs, in instructions: for a guest whose clock counts them
 * (lab/vm -i 0: the time-stamp counter then goes on by one an instruction). Prints
 *
 *   gup1_insns     one call for one page
 *   gup512_insns   one call for 512 pages
 *
 * both with gup_test's loop around the call and giving the pages back, which is the
 * same code in every kernel: what counts is the difference between kernels.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "gup_test.h"
#include "workload.h"

#define PAGE	4096UL
#define MAX	1024UL

static char *pages;
static int fd;

/* The least of many runs is one without interrupts. */
static uint64_t cost(unsigned long nr, unsigned int per_call)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 50; i++) {
		struct gup_test test = {
			.addr = (uintptr_t)pages,
			.size = nr * PAGE,
			.nr_pages_per_call = per_call,
		};
		uint64_t start = __rdtsc(), took;

		if (ioctl(fd, GUP_FAST_BENCHMARK, &test))
			die("gup_fast of %lu pages, %u a call: %m", nr, per_call);
		took = __rdtsc() - start;
		if (took < least)
			least = took;
	}
	return least;
}

/* @calls more calls of @per_call pages, per call. */
static double more_calls(unsigned long calls, unsigned int per_call)
{
	return (double)(cost(2 * calls * per_call, per_call) -
			cost(calls * per_call, per_call)) / calls;
}

static int gupcost(void)
{
	fd = open(GUP_TEST, O_RDWR);
	if (fd < 0)
		skip(GUP_TEST ": %m");
	/* Two tables of PTEs, the second call for 512 pages has a table of its own. */
	pages = mmap((void *)(1UL << 40), MAX * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED, -1, 0);
	if (pages == MAP_FAILED)
		die("mmap of %lu pages: %m", MAX);
	printf("gup1_insns=%.2f\ngup512_insns=%.0f\n",
	       more_calls(128, 1), more_calls(1, 512));
	return 0;
}

WORKLOAD(gupcost) = {
	.desc	= "prints what gup_fast() costs in instructions, under lab/vm -i 0",
	.kind	= TOOL,
	.run	= gupcost,
};
