// SPDX-License-Identifier: GPL-2.0
/*
 * Small pages collapsed into huge ones while sibling threads walk the same page
 * tables with gup_fast(), through the kernel's gup_test. A collapse takes a table
 * of PTEs out of the tree and has to wait for those walks. One operation is one
 * attempt; a page that a walk has pinned meanwhile makes it fail, which is not an
 * error as long as some succeed. The data is checked after each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

#define GUP_TEST	"/sys/kernel/debug/gup_test"
#define THP		"/sys/kernel/mm/transparent_hugepage/enabled"
#define HUGE		(2UL << 20)
#define PAGE		4096UL

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* As the kernel's mm/gup_test.h has it. */
struct gup_test {
	uint64_t get_delta_usec;
	uint64_t put_delta_usec;
	uint64_t addr;
	uint64_t size;
	uint32_t nr_pages_per_call;
	uint32_t gup_flags;
	uint32_t test_flags;
	uint32_t which_pages[8];
};

#define GUP_FAST_BENCHMARK	_IOWR('g', 1, struct gup_test)

static char *region;
static atomic_bool stop;

static void setup(void)
{
	if (access(GUP_TEST, R_OK | W_OK))
		skip(GUP_TEST ": %m");
	if (access(THP, R_OK))
		skip("no transparent huge pages: " THP ": %m");
}

static uint64_t pattern(unsigned long page, long round)
{
	return (page + 1) * 0x9e3779b97f4a7c15UL ^ (uint64_t)round;
}

/* Walks the region, a few pages at a time so that not all are pinned. */
static void *walker(void *arg)
{
	int fd = open(GUP_TEST, O_RDWR);
	unsigned long page = 0;

	if (fd < 0)
		die(GUP_TEST ": %m");
	pin((long)arg);
	while (!atomic_load(&stop)) {
		struct gup_test test = {
			.addr = (uintptr_t)region + page * PAGE,
			.size = 8 * PAGE,
			.nr_pages_per_call = 8,
		};

		if (ioctl(fd, GUP_FAST_BENCHMARK, &test) && errno != EINTR)
			die("gup_fast of 8 pages: %m");
		page = (page + 8) % (HUGE / PAGE);
		if (!page)
			sleep_ms(1);
	}
	close(fd);
	return NULL;
}

/* True if the region is one huge page now. */
static bool attempt(long round)
{
	bool collapsed;

	if (madvise(region, HUGE, MADV_DONTNEED) ||
	    madvise(region, HUGE, MADV_NOHUGEPAGE))
		die("madvise: %m");
	for (unsigned long i = 0; i < HUGE / PAGE; i++)
		*(uint64_t *)(region + i * PAGE) = pattern(i, round);
	if (madvise(region, HUGE, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE: %m");

	collapsed = !madvise(region, HUGE, MADV_COLLAPSE);
	if (!collapsed && errno != EAGAIN && errno != EBUSY && errno != ENOMEM)
		die("MADV_COLLAPSE: %m");

	for (unsigned long i = 0; i < HUGE / PAGE; i++) {
		uint64_t is = *(uint64_t *)(region + i * PAGE);

		if (is != pattern(i, round))
			die("page %lu is %lx, should be %lx", i, is, pattern(i, round));
	}
	return collapsed;
}

static int collapse(void)
{
	struct pace pace = pace_start(0, 1);
	pthread_t thread[64];
	long collapsed = 0;
	int nr = 0;
	char *map;

	map = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		die("mmap of 4 MiB: %m");
	region = (char *)(((uintptr_t)map + HUGE - 1) & -HUGE);

	pin(opt.cpus.cpu[0]);
	for (int i = 1; i < opt.cpus.nr && nr < 64; i++, nr++) {
		int err = pthread_create(&thread[nr], NULL, walker,
					 (void *)(long)opt.cpus.cpu[i]);

		if (err)
			die("pthread_create: %s", strerror(err));
	}
	while (pace_more(&pace))
		collapsed += attempt(pace.done);
	atomic_store(&stop, true);
	for (int i = 0; i < nr; i++)
		pthread_join(thread[i], NULL);
	if (pace.done >= 20 && !collapsed)
		die("none of %ld attempts succeeded", pace.done);
	return 0;
}

WORKLOAD(collapse) = {
	.desc	= "MADV_COLLAPSE while sibling threads walk with gup_fast()",
	.kind	= SYNC,
	.ops	= 20,
	.setup	= setup,
	.run	= collapse,
};
