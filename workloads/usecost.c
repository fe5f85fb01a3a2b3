// SPDX-License-Identifier: GPL-2.0
/*
 * What kernel threads on a user mm cost, in instructions under lab/vm -n 1 -i 0. Prints
 *
 *   use_insns    kthread_unuse_mm() and kthread_use_mm(), by the module kthread_mm_test
 *   flush_insns  mprotect() of a page that is present, with its flush
 *
 * with all that the system call does otherwise, which is the same code in every kernel: the
 * difference between kernels counts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kthread_mm_test.h"
#include "workload.h"

#define ROUNDS 400

static char *page;

static void setup(void)
{
	if (access(KTHREAD_MM_TEST, R_OK | W_OK))
		skip(KTHREAD_MM_TEST ": %m; the kernel needs CONFIG_KTHREAD_MM_TEST");
}

/* Twice, so that each round finds what the one before found. */
static void protect(void *unused)
{
	(void)unused;
	if (mprotect(page, page_size(), PROT_READ) ||
	    mprotect(page, page_size(), PROT_READ | PROT_WRITE))
		die("mprotect: %m");
	*(volatile char *)page = 1;
}

static int usecost(void)
{
	struct kthread_mm_test_access access = { };
	int device = open(KTHREAD_MM_TEST, O_RDWR | O_CLOEXEC);

	if (device < 0)
		die(KTHREAD_MM_TEST ": %m");
	if (ioctl(device, KTHREAD_MM_TEST_USE, opt.cpus.cpu[0]) ||
	    ioctl(device, KTHREAD_MM_TEST_COST, &access))
		die(KTHREAD_MM_TEST ": %m");
	close(device);
	printf("use_insns %.2f\n", (double)access.value / KTHREAD_MM_TEST_PAIRS);

	page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		die("mmap: %m");
	pin(opt.cpus.cpu[0]);
	*page = 1;
	printf("flush_insns %.2f\n", insns_of(protect, NULL, ROUNDS));
	return 0;
}

WORKLOAD(usecost) = {
	.desc	= "instructions of kthread_use_mm() and of a flush of one page",
	.kind	= TOOL,
	.setup	= setup,
	.run	= usecost,
};
