// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of gup_fast() in instructions, under lab/vm -n 1 -i 0. Prints
 *
 *   gup1_insns     one call for one page
 *   gup512_insns   one call for 512 pages
 *
 * both with gup_test's loop around the call and giving the pages back, which is the
 * same code in every kernel: the difference between kernels counts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gup_test.h"
#include "workload.h"

#define MAX_PAGES 1024
#define ROUNDS 50

static char *pages;
static int fd;

static void gup(void *arg)
{
	struct gup_test test = *(struct gup_test *)arg;

	if (ioctl(fd, GUP_FAST_BENCHMARK, &test))
		die("gup_fast of %u pages a call: %m", test.nr_pages_per_call);
}

static double cost(unsigned long nr, unsigned int per_call)
{
	struct gup_test test = {
		.addr = (uintptr_t)pages,
		.size = nr * page_size(),
		.nr_pages_per_call = per_call,
	};

	return insns_of(gup, &test, ROUNDS);
}

/* @calls more calls of @per_call pages, per call. */
static double more_calls(unsigned long calls, unsigned int per_call)
{
	return (cost(2 * calls * per_call, per_call) - cost(calls * per_call, per_call)) / calls;
}

static int gupcost(void)
{
	size_t size = MAX_PAGES * page_size();

	fd = open(GUP_TEST, O_RDWR);
	if (fd < 0)
		skip(GUP_TEST ": %m");
	/* Huge pages if there are any: fewer instructions beside those of the walk. */
	pages = reserve(size, table_size());
	if (mprotect(pages, size, PROT_READ | PROT_WRITE) ||
	    (madvise(pages, size, MADV_HUGEPAGE) && errno != EINVAL) ||
	    madvise(pages, size, MADV_POPULATE_WRITE))
		die("memory of %d pages: %m", MAX_PAGES);
	printf("gup1_insns=%.2f\ngup512_insns=%.0f\n",
	       more_calls(128, 1), more_calls(1, 512));
	return 0;
}

WORKLOAD(gupcost) = {
	.desc	= "prints what gup_fast() costs in instructions, under lab/vm -n 1 -i 0",
	.kind	= TOOL,
	.run	= gupcost,
};
