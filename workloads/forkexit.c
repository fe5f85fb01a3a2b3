// SPDX-License-Identifier: GPL-2.0
/*
 * On every CPU a process forks children that exit at once: the shortest life
 * an mm can have. One operation is one child.
 */
#include <unistd.h>

#include "workload.h"

static void forker(int cpu, int i)
{
	struct pace pace = pace_start(i, opt.cpus.nr);

	(void)cpu;
	while (pace_more(&pace)) {
		pid_t pid = fork_child();

		if (!pid)
			_exit(EXIT_OK);
		wait_child(pid);
	}
	count_exits(pace.done, pace.done);
}

static int forkexit(void)
{
	on_each_cpu(forker);
	return 0;
}

WORKLOAD(forkexit) = {
	.desc	= "fork, exit and wait, on every CPU",
	.ops	= 500,
	.run	= forkexit,
};
