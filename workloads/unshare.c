// SPDX-License-Identifier: GPL-2.0
/*
 * Two or three processes share a hugetlb mapping, 1 GiB and aligned to it, so they
 * share the table of PMDs as well. Each gives up the sharing again and again, by
 * mapping the file anew, while threads of it walk the table with gup_fast(). One
 * operation is one such unshare, which has to wait for those walks. (After mprotect()
 * a process may end up with a table of its own, which it then keeps.)
 */
#define _GNU_SOURCE
#include <linux/memfd.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

#define HUGE		(2UL << 20)
#define GIB		(1UL << 30)
#define PAGES		4
/* Pages that are made when they are needed, so that nobody has to keep any. */
#define SURPLUS		"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages"

static struct walk_region region = { .stride = HUGE, .pages = PAGES };
static void setup(void)
{
	char text[32];

	if (read_text(SURPLUS, text, sizeof(text)))
		skip(SURPLUS ": %m");
	if (atol(text) < PAGES)
		skip(SURPLUS " is %s, should be %d or more", text, PAGES);
	oracle_setup();
}

static void map_file(int fd)
{
	if (mmap(region.start, GIB, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) == MAP_FAILED)
		die("mmap of the file of huge pages: %m");
}

static void check(void)
{
	for (unsigned long i = 0; i < PAGES; i++) {
		uint64_t is = *(volatile uint64_t *)(region.start + i * HUGE);

		if (is != walk_signature(i))
			die("huge page %lu is %lx, should be %lx", i, is, walk_signature(i));
	}
}

/* One of @nr processes. */
static void sharer(int k, int nr, int fd)
{
	struct pace pace = pace_start(k, nr);
	int walkers = (opt.cpus.nr - 1) / nr;

	pin(opt.cpus.cpu[k % opt.cpus.nr]);
	check();
	walkers_start(&region, k + 1, walkers ? walkers : 1);
	while (pace_more(&pace)) {
		map_file(fd);
		check();	/* shares again, if the others do */
		sleep_ms(1);
	}
	walkers_stop();
	_exit(EXIT_OK);
}

static int unshare(int nr)
{
	pid_t pid[nr];
	char *map;
	int fd;

	fd = memfd_create("unshare", MFD_HUGETLB | MFD_HUGE_2MB);
	if (fd < 0 || ftruncate(fd, GIB))
		die("a file of huge pages: %m");
	/* Room for an aligned GiB, which the mapping then takes. */
	map = mmap(NULL, 2 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		die("2 GiB of addresses: %m");
	region.start = (char *)(((uintptr_t)map + GIB - 1) & -GIB);
	map_file(fd);
	for (unsigned long i = 0; i < PAGES; i++) {
		if (madvise(region.start + i * HUGE, HUGE, MADV_POPULATE_WRITE))
			skip("%d huge pages: %m", PAGES);
		*(uint64_t *)(region.start + i * HUGE) = walk_signature(i);
	}
	for (int k = 0; k < nr; k++) {
		pid[k] = fork_child();
		if (!pid[k])
			sharer(k, nr, fd);
	}
	/* Which has no part in the sharing. */
	if (munmap(region.start, GIB))
		die("munmap: %m");
	for (int k = 0; k < nr; k++)
		wait_child(pid[k]);
	count_exits(nr, nr);
	return 0;
}

static int two(void)
{
	return unshare(2);
}

static int three(void)
{
	return unshare(3);
}

WORKLOAD(unshare) = {
	.desc	 = "hugetlb page tables shared by two processes, unshared under walks",
	.kind	 = SYNC,
	.ops	 = 200,
	.setup	 = setup,
	.run	 = two,
	.cleanup = oracle_cleanup,
};

WORKLOAD(unshare3) = {
	.desc	 = "the same with three processes",
	.kind	 = SYNC,
	.ops	 = 200,
	.setup	 = setup,
	.run	 = three,
	.cleanup = oracle_cleanup,
};
