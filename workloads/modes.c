// SPDX-License-Identifier: GPL-2.0
/*
 * Another mode of table_sync every 100 ms (-i). allmodes has the mode "tracked" as well,
 * and the kernel patches gup_fast() when it is chosen and when it is left.
 */
#include "workload.h"

static void setup(void)
{
	choices_setup(TABLE_SYNC_MODE, "broadcast rcu running");
}

static void setup_all(void)
{
	choices_setup(TABLE_SYNC_MODE, "broadcast rcu tracked running");
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
