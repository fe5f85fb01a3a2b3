// SPDX-License-Identifier: GPL-2.0
/*
 * Not a workload: gets every mm_struct freed that can be, and prints the number of those
 * that are left. A visit makes a CPU give back the mm that it borrowed; other mms are freed
 * after a grace period or by a work item.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "workload.h"

static void visit_cpus(void)
{
	for (int i = 0; i < opt.cpus.nr; i++)
		/* EINVAL: that CPU is offline and has nothing to give back. */
		if (move_to(opt.cpus.cpu[i]) && errno != EINVAL)
			die("sched_setaffinity to CPU %d: %m", opt.cpus.cpu[i]);
	unpin();
}

static int settle(void)
{
	long end = now_ms() + 5000;
	long now, before;

	visit_cpus();
	now = count_mms();
	do {
		before = now;
		sleep_ms(50);
		now = count_mms();
	} while (now < before && now_ms() < end);

	printf("%ld\n", now < before ? now : before);
	return 0;
}

WORKLOAD(settle) = {
	.desc	= "has unused mms freed and prints the number of mm_structs left",
	.kind	= TOOL,
	.run	= settle,
};
