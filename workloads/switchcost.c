// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of switches in instructions, under lab/vm -n 1 -i 0. Prints
 *
 *   kthread_insns  a byte through a pty: user task - kworker - user task
 *   switch_insns   a byte to another process and back: user task - user task, twice
 *   fork_insns     fork, exit and wait
 *
 * with all that the system calls do otherwise, which is the same code in every kernel:
 * the difference between kernels counts. The least cost that is frequent in many rounds
 * repeats exactly. The rounds are spread over a second, since other work of the kernel (a
 * grace period, work items) may make a few hundred in a row dearer. The cost of fork
 * depends on what the page allocator has at hand, so its figure is the middle
 * one of many; boot with norandmaps, or the layout of each process is another.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "workload.h"

#define ROUNDS 400
#define FORKS 2000

static int to[2], from[2];
static char c;

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void pass(void *unused)
{
	(void)unused;
	if (write(to[1], &c, 1) != 1 || read(from[0], &c, 1) != 1)
		die("a byte got lost: %m");
}

static void fork_exit_wait(void *unused)
{
	pid_t pid = fork();

	(void)unused;
	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		die("fork and wait: %m");
}

static double median_fork(void)
{
	static double costs[FORKS];

	for (int i = 0; i < FORKS; i++)
		costs[i] = insns_of_once(fork_exit_wait, NULL);
	qsort(costs, FORKS, sizeof(costs[0]), compare);
	return costs[FORKS / 2];
}

static double through_pty(void)
{
	struct termios tio;
	double cost;

	to[1] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (to[1] < 0 || grantpt(to[1]) || unlockpt(to[1]))
		die("/dev/ptmx: %m");
	from[0] = open(ptsname(to[1]), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (from[0] < 0 || tcgetattr(from[0], &tio))
		die("%s: %m", ptsname(to[1]));
	cfmakeraw(&tio);
	if (tcsetattr(from[0], TCSANOW, &tio))
		die("tcsetattr: %m");
	cost = insns_of(pass, NULL, ROUNDS);
	close(to[1]);
	close(from[0]);
	return cost;
}

static double to_partner(void)
{
	double cost;
	pid_t pid;

	if (pipe(to) || pipe(from))
		die("pipe: %m");
	pid = fork_child();
	if (!pid) {
		close(to[1]);
		while (read(to[0], &c, 1) == 1 && write(from[1], &c, 1) == 1)
			;
		_exit(EXIT_OK);
	}
	cost = insns_of(pass, NULL, ROUNDS);
	close(to[1]);
	wait_child(pid);
	return cost;
}

static int switchcost(void)
{
	double kthread = through_pty(), partner = to_partner();

	printf("kthread_insns=%.0f\nswitch_insns=%.0f\nfork_insns=%.0f\n",
	       kthread, partner, median_fork());
	return 0;
}

WORKLOAD(switchcost) = {
	.desc	= "prints what switches cost in instructions, under lab/vm -n 1 -i 0",
	.kind	= TOOL,
	.run	= switchcost,
};
