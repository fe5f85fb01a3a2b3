// SPDX-License-Identifier: GPL-2.0
/*
 * Not a workload: gets every mm_struct freed that can be, and prints the number of those
 * that are left. A visit makes a CPU give back the mm that it borrowed; khugepaged lets the
 * mm go that it looked at last; other mms are freed after a grace period or by a work item.
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

#define SLEEP	"/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs"

/* A write of its time to sleep wakes it up. */
static void wake_khugepaged(void)
{
	char sleep[32];

	if (read_text(SLEEP, sleep, sizeof(sleep)))
		return;		/* no transparent huge pages */
	if (write_text(SLEEP, sleep))
		die(SLEEP ": %m");
}

static int settle(void)
{
	long end = now_ms() + 5000;
	long now, before;

	wake_khugepaged();
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
