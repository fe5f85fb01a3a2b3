// SPDX-License-Identifier: GPL-2.0
/*
 * Not a workload: gets every mm_struct freed that can be, and prints how many
 * are left. A visit makes a CPU give back what it borrowed; then comes what is
 * freed after a grace period or from a work item; shrinking the slab cache
 * gives back objects in per-CPU slabs and in KASAN's quarantine, so that the
 * number is exact.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

#define SLAB "/sys/kernel/slab/mm_struct"

static void visit_cpus(void)
{
	for (int i = 0; i < opt.cpus.nr; i++)
		/* EINVAL: that CPU is offline and has nothing to give back. */
		if (move_to(opt.cpus.cpu[i]) && errno != EINVAL)
			die("sched_setaffinity to CPU %d: %m", opt.cpus.cpu[i]);
	unpin();
}

static long read_objects(void)
{
	char text[256];

	/* Waits for a grace period; nothing is lost where it is not offered. */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	if (write_text(SLAB "/shrink", "1"))
		die(SLAB "/shrink: %m");
	if (read_text(SLAB "/objects", text, sizeof(text)) < 0)
		die(SLAB "/objects: %m");
	/* The total comes first, then figures per memory node. */
	return strtol(text, NULL, 10);
}

static int settle(void)
{
	long end = now_ms() + 5000;
	long now, before;

	if (access(SLAB "/objects", R_OK) || access(SLAB "/shrink", W_OK))
		skip(SLAB ": %m");
	visit_cpus();
	now = read_objects();
	do {
		before = now;
		sleep_ms(50);
		now = read_objects();
	} while (now < before && now_ms() < end);

	printf("%ld\n", now < before ? now : before);
	return 0;
}

WORKLOAD(settle) = {
	.desc	= "has unused mms freed and prints the number of mm_structs left",
	.kind	= TOOL,
	.run	= settle,
};
