// SPDX-License-Identifier: GPL-2.0
/*
 * Two or three processes share a hugetlb mapping of the size of a table of PMDs and aligned
 * to it, 1 GiB on most machines, so they share that table as well. Each gives up the
 * sharing again and again, by mapping the file anew, while threads of it walk the table
 * with gup_fast(). One operation is one such unshare, which has to wait for those walks.
 * (After mprotect() a process may end up with a table of its own, which it then keeps.)
 */
#define _GNU_SOURCE
#include <linux/memfd.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

#define PAGES		4
/* Pages that are made when they are needed, so that none has to be kept. */
#define SURPLUS		"/sys/kernel/mm/hugepages/hugepages-%lukB/nr_overcommit_hugepages"

static struct walk_region region = { .pages = PAGES };
static unsigned long huge;	/* bytes of a huge page */
static unsigned long shared;	/* bytes that a table of PMDs maps */

static void setup(void)
{
	char path[128], text[32];

	huge = table_size();
	shared = huge / page_size() * huge;
	region.stride = huge;
	snprintf(path, sizeof(path), SURPLUS, huge / 1024);
	if (read_text(path, text, sizeof(text)))
		skip("%s: %m", path);
	if (atol(text) < PAGES)
		skip("%s is %s, should be %d or more", path, text, PAGES);
	oracle_setup();
}

static void map_file(int fd)
{
	if (mmap(region.start, shared, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) == MAP_FAILED)
		die("mmap of the file of huge pages: %m");
}

static void check(void)
{
	for (unsigned long i = 0; i < PAGES; i++) {
		uint64_t is = *(volatile uint64_t *)(region.start + i * huge);

		if (is != walk_signature(i))
			die("huge page %lu is %" PRIx64 ", should be %" PRIx64,
			    i, is, walk_signature(i));
	}
}

/* One of @nr processes. */
static void sharer(int k, int nr, int fd)
{
	struct pace pace = pace_start(k, nr);
	int walkers = (opt.cpus.nr - 1) / nr;

	pin(opt.cpus.cpu[k % opt.cpus.nr]);
	check();
	pollers_share(k, nr);
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
	unsigned int log_size = __builtin_ctzl(huge);
	pid_t pid[nr];
	int fd;

	fd = memfd_create("unshare", MFD_HUGETLB | log_size << HUGETLB_FLAG_ENCODE_SHIFT);
	if (fd < 0 || ftruncate(fd, shared))
		die("a file of huge pages: %m");
	region.start = reserve(shared, shared);
	map_file(fd);
	for (unsigned long i = 0; i < PAGES; i++) {
		if (madvise(region.start + i * huge, huge, MADV_POPULATE_WRITE))
			skip("%d huge pages: %m", PAGES);
		*(uint64_t *)(region.start + i * huge) = walk_signature(i);
	}
	for (int k = 0; k < nr; k++) {
		pid[k] = fork_child();
		if (!pid[k])
			sharer(k, nr, fd);
	}
	/* This process has no part in the sharing. */
	if (munmap(region.start, shared))
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
