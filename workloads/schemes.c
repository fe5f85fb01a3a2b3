// SPDX-License-Identifier: GPL-2.0
/* Another lazy-TLB scheme every 100 ms (-i). */
#include "workload.h"

static void setup(void)
{
	choices_setup(LAZY_TLB_SCHEME, NULL);
}

WORKLOAD(schemes) = {
	.desc	 = "goes round the lazy-TLB schemes",
	.kind	 = DISTURB,
	.ops	 = 40,
	.setup	 = setup,
	.run	 = choices_run,
	.cleanup = choices_cleanup,
};
