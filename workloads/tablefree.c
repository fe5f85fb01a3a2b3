// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables freed when there is no memory for the list of what is to be freed: the
 * kernel then waits for walks before each single table. The kernel's fault injection
 * makes those allocations fail. On x86 only guests of a hypervisor have that list, so
 * boot with table_free=rcu. One operation is an munmap() that frees 16 tables,
 * while sibling threads walk the mapping with gup_fast().
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

#define TABLE	(2UL << 20)	/* what a table of PTEs maps */
#define TABLES	16
#define FAIL	"/sys/kernel/debug/fail_page_alloc/"

static struct walk_region region = { .stride = TABLE, .pages = TABLES };

static void setup(void)
{
	/* Allocations that can't sleep, of any order, of tasks that ask for it. */
	static const struct fault_setting settings[] = {
		{ FAIL "task-filter", "Y" },
		{ FAIL "ignore-gfp-wait", "Y" },
		{ FAIL "min-order", "0" },
		{ FAIL "verbose", "0" },
		{ FAIL "times", "-1" },
		{ FAIL "probability", "100" },
	};

	faults_setup(settings, sizeof(settings) / sizeof(settings[0]));
	oracle_setup();
}

static int cleanup(void)
{
	int err = faults_cleanup();

	return oracle_cleanup() || err ? -1 : 0;
}

static void allocations_fail(bool fail)
{
	if (write_text("/proc/thread-self/make-it-fail", fail ? "1" : "0"))
		die("/proc/thread-self/make-it-fail: %m");
}

static int tablefree(void)
{
	long asked = table_sync_counter("asked");
	struct pace pace = pace_start(0, 1);
	char *room;

	/* Nobody else in this process is to get the addresses in between. */
	room = mmap(NULL, (TABLES + 1) * TABLE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		die("mmap of %lu bytes: %m", (TABLES + 1) * TABLE);
	region.start = (char *)(((uintptr_t)room + TABLE - 1) & -TABLE);

	pin(opt.cpus.cpu[0]);
	walkers_start(&region, 1, opt.cpus.nr - 1);
	while (pace_more(&pace)) {
		if (mmap(region.start, TABLES * TABLE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
			 -1, 0) == MAP_FAILED ||
		    madvise(region.start, TABLES * TABLE, MADV_NOHUGEPAGE))
			die("mmap: %m");
		for (unsigned long i = 0; i < TABLES; i++)
			*(uint64_t *)(region.start + i * TABLE) = walk_signature(i);
		for (unsigned long i = 0; i < TABLES; i++)
			if (*(volatile uint64_t *)(region.start + i * TABLE) != walk_signature(i))
				die("page %lu has changed", i);
		allocations_fail(true);
		if (munmap(region.start, TABLES * TABLE))
			die("munmap: %m");
		allocations_fail(false);
		if (table_sync_counter("asked") - asked < TABLES)
			skip("tables are freed without waiting; boot with table_free=rcu");
	}
	walkers_stop();
	return 0;
}

WORKLOAD(tablefree) = {
	.desc	 = "page tables freed without memory for it, under walks",
	.kind	 = SYNC,
	.ops	 = 50,
	.setup	 = setup,
	.run	 = tablefree,
	.cleanup = cleanup,
};
