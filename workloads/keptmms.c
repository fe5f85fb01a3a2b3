// SPDX-License-Identifier: GPL-2.0
/*
 * The number of dead mms that idle CPUs keep. On each CPU but the first a process ends, and
 * then the CPU is left alone, idle on page tables that no process needs. Prints
 *
 *   kept_mms   the increase of the number of mm_structs
 *
 * Run 'settle' first: CPUs that already keep one are not counted.
 */
#include <stdio.h>
#include <unistd.h>

#include "workload.h"

static int keptmms(void)
{
	long before;

	pin(opt.cpus.cpu[0]);
	before = count_mms();
	for (int i = 1; i < opt.cpus.nr; i++) {
		pid_t pid = fork_child();

		if (!pid) {
			pin(opt.cpus.cpu[i]);
			_exit(EXIT_OK);
		}
		wait_child(pid);
	}
	/* Time for work items that free mms. */
	sleep_ms(100);
	printf("kept_mms=%ld\n", count_mms() - before);
	return 0;
}

WORKLOAD(keptmms) = {
	.desc	= "prints how many mms idle CPUs keep after their processes have ended",
	.kind	= TOOL,
	.run	= keptmms,
};
