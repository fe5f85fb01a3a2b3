// SPDX-License-Identifier: GPL-2.0
/*
 * Small pages collapsed into huge ones while sibling threads walk the same page
 * tables with gup_fast(). A collapse takes a table of PTEs out of the tree and has to
 * wait for those walks. One operation is one attempt; a page that a walk has pinned
 * meanwhile makes it fail, which is not an error as long as some succeed. The data is
 * checked after each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "workload.h"

#define THP	"/sys/kernel/mm/transparent_hugepage/enabled"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

static struct walk_region region;
static unsigned long huge;	/* bytes of a huge page */

static void setup(void)
{
	if (access(THP, R_OK))
		skip("no transparent huge pages: " THP ": %m");
	oracle_setup();
}

/* Two words a page: which page it is, and in which round it was written. */
static uint64_t *words(unsigned long page)
{
	return (uint64_t *)(region.start + page * region.stride);
}

/* True if the region is one huge page now. */
static bool attempt(long round)
{
	bool collapsed;

	walkers_look_away(true);
	/* In this order: a late look must not map the huge zero page. */
	if (madvise(region.start, huge, MADV_NOHUGEPAGE) ||
	    madvise(region.start, huge, MADV_DONTNEED))
		die("madvise: %m");
	for (unsigned long i = 0; i < region.pages; i++) {
		words(i)[0] = walk_signature(i);
		words(i)[1] = round;
	}
	if (madvise(region.start, huge, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE: %m");
	walkers_look_away(false);

	collapsed = !madvise(region.start, huge, MADV_COLLAPSE);
	if (!collapsed && errno != EAGAIN && errno != EBUSY && errno != ENOMEM)
		die("MADV_COLLAPSE: %m");

	for (unsigned long i = 0; i < region.pages; i++)
		if (words(i)[0] != walk_signature(i) || words(i)[1] != (uint64_t)round)
			die("page %lu of round %ld is %" PRIx64 " of round %ld", i, round,
			    words(i)[0], (long)words(i)[1]);
	return collapsed;
}

static int collapse(void)
{
	struct pace pace = pace_start(0, 1);
	long collapsed = 0;

	huge = table_size();
	region.stride = page_size();
	region.pages = huge / region.stride;
	region.start = reserve(huge, huge);
	if (mprotect(region.start, huge, PROT_READ | PROT_WRITE))
		die("mprotect of %lu bytes: %m", huge);

	pin(opt.cpus.cpu[0]);
	walkers_start(&region, 1, opt.cpus.nr - 1);
	while (pace_more(&pace))
		collapsed += attempt(pace.done);
	walkers_stop();
	if (pace.done >= 20 && !collapsed)
		die("none of %ld attempts succeeded", pace.done);
	return 0;
}

WORKLOAD(collapse) = {
	.desc	 = "MADV_COLLAPSE while sibling threads walk with gup_fast()",
	.kind	 = SYNC,
	.ops	 = 25,
	.setup	 = setup,
	.run	 = collapse,
	.cleanup = oracle_cleanup,
};
