// SPDX-License-Identifier: GPL-2.0
/*
 * On every CPU a process forks children that execute this program, which exits
 * at once. One operation is one child, and two mms that end: the one that exec
 * leaves and the one that exit leaves.
 */
#include <unistd.h>

#include "workload.h"

static void forker(int cpu, int i)
{
	struct pace pace = pace_start(i, opt.cpus.nr);
	static char *const argv[] = { "forkexec-helper", NULL };
	static char *const envp[] = { NULL };

	(void)cpu;
	while (pace_more(&pace)) {
		pid_t pid = fork_child();

		if (!pid) {
			execve("/proc/self/exe", argv, envp);
			die("exec of /proc/self/exe: %m");
		}
		wait_child(pid);
	}
	count_exits(pace.done, pace.done);
}

static int forkexec(void)
{
	on_each_cpu(forker);
	return 0;
}

static int helper(int argc, char **argv)
{
	(void)argv;
	return argc == 1 ? EXIT_OK : EXIT_FAILED;
}

WORKLOAD(forkexec) = {
	.desc	= "fork, exec, exit and wait, on every CPU",
	.ops	= 100,
	.run	= forkexec,
	.helper	= helper,
};
