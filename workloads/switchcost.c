// SPDX-License-Identifier: GPL-2.0
/*
 * What switches cost, in instructions: for a guest with one CPU whose clock counts them
 * (lab/vm -i 0: the time-stamp counter then goes on by one an instruction). Prints
 *
 *   kthread_insns  a byte through a pty: user task - kworker - user task
 *   switch_insns   a byte to another process and back: user task - user task, twice
 *   fork_insns     fork, exit and wait
 *
 * with all that the system calls do otherwise, which is the same code in every kernel:
 * what counts is the difference between kernels. The least of many rounds is one
 * without interrupts, and repeats exactly. The rounds are spread over a second: what else
 * the kernel is at (a grace period, other work items) may make a few hundred of them in
 * a row dearer. Of fork, which depends on what the page
 * allocator has at hand, it is the middle one of many; boot with norandmaps, or the
 * layout of each process is another.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <x86intrin.h>

#include "workload.h"

#define ROUNDS 400
#define ROUNDS_IN_A_ROW 20
#define PAUSE_MS 50
#define MORE_ROUNDS 2000

static int to[2], from[2];
static char c;

static uint64_t cost_of(void (*fn)(void))
{
	uint64_t start = __rdtsc();

	fn();
	return __rdtsc() - start;
}

static uint64_t least(void (*fn)(void))
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t cost;

		if (i % ROUNDS_IN_A_ROW == 0)
			sleep_ms(PAUSE_MS);
		cost = cost_of(fn);
		if (cost < least)
			least = cost;
	}
	return least;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(void (*fn)(void))
{
	static uint64_t costs[MORE_ROUNDS];

	for (int i = 0; i < MORE_ROUNDS; i++)
		costs[i] = cost_of(fn);
	qsort(costs, MORE_ROUNDS, sizeof(costs[0]), compare);
	return costs[MORE_ROUNDS / 2];
}

static void pass(void)
{
	if (write(to[1], &c, 1) != 1 || read(from[0], &c, 1) != 1)
		die("a byte got lost: %m");
}

static void fork_exit_wait(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		die("fork and wait: %m");
}

static uint64_t through_pty(void)
{
	struct termios tio;
	uint64_t cost;

	to[1] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (to[1] < 0 || grantpt(to[1]) || unlockpt(to[1]))
		die("/dev/ptmx: %m");
	from[0] = open(ptsname(to[1]), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (from[0] < 0 || tcgetattr(from[0], &tio))
		die("%s: %m", ptsname(to[1]));
	cfmakeraw(&tio);
	if (tcsetattr(from[0], TCSANOW, &tio))
		die("tcsetattr: %m");
	cost = least(pass);
	close(to[1]);
	close(from[0]);
	return cost;
}

static uint64_t to_partner(void)
{
	uint64_t cost;
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
	cost = least(pass);
	close(to[1]);
	wait_child(pid);
	return cost;
}

static int switchcost(void)
{
	uint64_t kthread = through_pty(), partner = to_partner();

	printf("kthread_insns=%lu\nswitch_insns=%lu\nfork_insns=%lu\n",
	       kthread, partner, median(fork_exit_wait));
	return 0;
}

WORKLOAD(switchcost) = {
	.desc	= "prints what switches cost in instructions, under lab/vm -i 0",
	.kind	= TOOL,
	.run	= switchcost,
};
