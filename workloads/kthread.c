// SPDX-License-Identifier: GPL-2.0
/*
 * User task and kernel thread take turns on one CPU: a byte written to a pty's
 * master reaches the slave through flush_to_ldisc(), which runs in an unbound
 * kworker. With the task and the unbound workqueues on the same CPU, each
 * operation goes user task - kworker - user task. Uses the first CPU given.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "workload.h"

#define WQ_CPUMASK "/sys/devices/virtual/workqueue/cpumask"

static char old_mask[MAX_CPUS];

static void setup(void)
{
	if (read_text(WQ_CPUMASK, old_mask, sizeof(old_mask)) < 0)
		skip(WQ_CPUMASK ": %m");
	if (access("/dev/ptmx", R_OK | W_OK) || access("/dev/pts", X_OK))
		skip("no pseudo-terminals: %m");
}

static int cleanup(void)
{
	if (!write_text(WQ_CPUMASK, old_mask))
		return 0;
	warn(WQ_CPUMASK ": can't write '%s' back: %m", old_mask);
	return -1;
}

/* The kernel's form: groups of 32 bits in hex, the highest first. */
static void confine_kworkers(int cpu)
{
	char mask[MAX_CPUS], *p = mask;

	p += sprintf(p, "%x", 1U << cpu % 32);
	for (int i = 0; i < cpu / 32; i++)
		p += sprintf(p, ",00000000");
	if (write_text(WQ_CPUMASK, mask))
		die(WQ_CPUMASK ": can't write '%s': %m", mask);
}

static int open_pty(int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios tio;

	if (master < 0 || grantpt(master) || unlockpt(master))
		die("/dev/ptmx: %m");
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0)
		die("%s: %m", ptsname(master));
	/* A byte is a byte: no lines, no echo. */
	if (tcgetattr(*slave, &tio))
		die("tcgetattr: %m");
	cfmakeraw(&tio);
	if (tcsetattr(*slave, TCSANOW, &tio))
		die("tcsetattr: %m");
	return master;
}

static long own_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

static int kthread(void)
{
	struct pace pace = pace_start(0, 1);
	int cpu = opt.cpus.cpu[0];
	unsigned char sent = 0, got;
	int master, slave;
	long switches;

	confine_kworkers(cpu);
	pin(cpu);
	master = open_pty(&slave);

	switches = own_switches();
	while (pace_more(&pace)) {
		ssize_t n;

		sent++;
		if (write(master, &sent, 1) != 1)
			die("write to the master: %m");
		do {
			n = read(slave, &got, 1);
		} while (n < 0 && errno == EINTR);
		if (n != 1)
			die("read from the slave: %m");
		if (got != sent)
			die("sent %d, got %d", sent, got);
	}
	switches = own_switches() - switches;

	/* Offline CPUs send task and kworkers elsewhere. */
	if (!opt.hotplug && switches < pace.done - pace.done / 10)
		die("only %ld switches in %ld operations: kworker and task don't share CPU %d",
		    switches, pace.done, cpu);
	return 0;
}

WORKLOAD(kthread) = {
	.desc	 = "bytes through a pty on one CPU: user - kworker - user",
	.ops	 = 5000,
	.setup	 = setup,
	.run	 = kthread,
	.cleanup = cleanup,
};
