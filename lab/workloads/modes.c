// SPDX-License-Identifier: GPL-2.0
/*
 * Another mode of table_sync every 100 ms (-i). "tracked" has a workload of its own:
 * the kernel patches gup_fast() on the way there and back.
 */
#include "workload.h"

#define FILE_OF_MODES "/sys/kernel/mm/lazy_tlb/table_sync"

static void setup(void)
{
	choices_setup(FILE_OF_MODES, "broadcast rcu running");
}

static void setup_tracked(void)
{
	choices_setup(FILE_OF_MODES, "tracked running");
}

WORKLOAD(modes) = {
	.desc	 = "goes round the ways to wait for page-table walks",
	.kind	 = DISTURB,
	.ops	 = 40,
	.setup	 = setup,
	.run	 = choices_run,
	.cleanup = choices_cleanup,
};

WORKLOAD(tracked) = {
	.desc	 = "starts and stops to track page-table walks",
	.kind	 = PATCH,
	.ops	 = 40,
	.setup	 = setup_tracked,
	.run	 = choices_run,
	.cleanup = choices_cleanup,
};
