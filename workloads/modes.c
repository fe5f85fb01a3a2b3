// SPDX-License-Identifier: GPL-2.0
/*
 * Another mode of table_sync every 100 ms (-i). modes leaves "tracked" out, allmodes
 * does not: for it the kernel patches gup_fast() on the way there and back.
 */
#include "workload.h"

#define FILE_OF_MODES "/sys/kernel/mm/lazy_tlb/table_sync"

static void setup(void)
{
	choices_setup(FILE_OF_MODES, "broadcast rcu running");
}

static void setup_all(void)
{
	choices_setup(FILE_OF_MODES, "broadcast rcu tracked running");
}

WORKLOAD(modes) = {
	.desc	 = "goes round the ways to wait for page-table walks, but \"tracked\"",
	.kind	 = DISTURB,
	.ops	 = 40,
	.setup	 = setup,
	.run	 = choices_run,
	.cleanup = choices_cleanup,
};

WORKLOAD(allmodes) = {
	.desc	 = "the same with \"tracked\"; not together with modes",
	.kind	 = PATCH,
	.ops	 = 40,
	.setup	 = setup_all,
	.run	 = choices_run,
	.cleanup = choices_cleanup,
};
