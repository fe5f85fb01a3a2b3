// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables freed when there is no memory for the list of tables to be freed: the kernel
 * then waits for walks before each single table. The kernel's fault injection makes those
 * allocations fail. On x86 only guests of a hypervisor have that list, so boot with
 * table_sync_standin.free=rcu. One operation is an munmap() that frees 16 tables, while
 * sibling threads walk the mapping with gup_fast().
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

#define TABLES	16
#define FAIL	"/sys/kernel/debug/fail_page_alloc/"

static struct walk_region region = { .pages = TABLES };

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
	unsigned long table = table_size();

	/* The mapping keeps other threads of this process off these addresses meanwhile. */
	region.stride = table;
	region.start = reserve(TABLES * table, table);

	pin(opt.cpus.cpu[0]);
	walkers_start(&region, 1, opt.cpus.nr - 1);
	while (pace_more(&pace)) {
		if (mmap(region.start, TABLES * table, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
			 -1, 0) == MAP_FAILED ||
		    madvise(region.start, TABLES * table, MADV_NOHUGEPAGE))
			die("mmap: %m");
		for (unsigned long i = 0; i < TABLES; i++)
			*(uint64_t *)(region.start + i * table) = walk_signature(i);
		for (unsigned long i = 0; i < TABLES; i++)
			if (*(volatile uint64_t *)(region.start + i * table) != walk_signature(i))
				die("page %lu has changed", i);
		allocations_fail(true);
		if (munmap(region.start, TABLES * table))
			die("munmap: %m");
		allocations_fail(false);
		if (table_sync_counter("asked") - asked < TABLES)
			skip("tables are freed without waiting; boot with table_sync_standin.free=rcu");
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
