// SPDX-License-Identifier: GPL-2.0
/*
 * Another mode of table_sync every 100 ms (-i). "none" is for tests that must fail.
 * By hand only: under emulation, code that is patched while another CPU runs it now
 * and then ends in an int3 that nobody expects.
 */
#include "workload.h"

static void setup(void)
{
	choices_setup("/sys/kernel/mm/lazy_tlb/table_sync", "none");
}

WORKLOAD(modes) = {
	.desc	 = "goes round the ways to wait for page-table walks",
	.kind	 = SYNC,
	.ops	 = 40,
	.setup	 = setup,
	.run	 = choices_run,
	.cleanup = choices_cleanup,
};
