// SPDX-License-Identifier: GPL-2.0
/*
 * Page-table walks of perf, which looks up the size and the physical address of pages for
 * a task, without the task's doing. Each CPU has two events: page faults, with walks in the
 * middle of a task, and the CPU's clock, with walks in an interrupt. They are events of
 * processes that take turns on the CPU all the time, so that current->mm changes under the
 * walks. One operation is a switch forth and back.
 *
 * It is of kind PATCH, since the kernel patches code when the first page-fault event starts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

#define PAGES	16UL

/* An event of the calling thread and its children. */
static int event(uint64_t config, uint64_t period, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = config,
		.sample_period = period,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_ADDR | PERF_SAMPLE_PHYS_ADDR |
			       PERF_SAMPLE_CODE_PAGE_SIZE | PERF_SAMPLE_DATA_PAGE_SIZE,
		.inherit = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static void setup(void)
{
	int fd = event(PERF_COUNT_SW_PAGE_FAULTS, 1, -1);

	if (fd < 0)
		skip("perf_event_open: %m");
	close(fd);
	oracle_setup();
}

static void *ring(int fd)
{
	void *map = mmap(NULL, (1 + 8) * page_size(), PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		die("perf's ring buffer: %m");
	return map;
}

/* Read-only: the kernel overwrites what is old, nobody reads it. */
static void watch(int cpu)
{
	static const struct {
		uint64_t config, period;
	} events[] = {
		{ PERF_COUNT_SW_PAGE_FAULTS, 1 },
		{ PERF_COUNT_SW_CPU_CLOCK, 200000 },	/* ns */
	};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		int fd = event(events[i].config, events[i].period, cpu);

		if (fd >= 0)
			ring(fd);
		else if (errno != ENODEV)	/* the CPU went offline */
			die("perf_event_open: %m");
	}
}

/* Two processes, so two mms, that wake each other; each faults pages in and out. */
static void partners(int cpu, int i)
{
	struct pace pace = pace_start(i, opt.cpus.nr);
	int to[2], from[2];
	char *own, c = 0;
	pid_t pid;

	watch(cpu);
	if (pipe(to) || pipe(from))
		die("pipe: %m");
	own = mmap(NULL, PAGES * page_size(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED)
		die("mmap: %m");
	pid = fork_child();
	if (!pid) {
		close(to[1]);
		while (read(to[0], &c, 1) == 1) {
			madvise(own, PAGES * page_size(), MADV_DONTNEED);
			memset(own, 1, PAGES * page_size());
			if (write(from[1], &c, 1) != 1)
				break;
		}
		_exit(EXIT_OK);
	}
	close(from[1]);
	while (pace_more(&pace)) {
		if (write(to[1], &c, 1) != 1)
			die("pipe: %m");
		madvise(own, PAGES * page_size(), MADV_DONTNEED);
		memset(own, 1, PAGES * page_size());
		if (read(from[0], &c, 1) != 1)
			die("pipe: the partner is gone");
	}
	close(to[1]);
	wait_child(pid);
	count_exits(1, 1);
}

static int perfwalk(void)
{
	on_each_cpu(partners);
	return 0;
}

WORKLOAD(perfwalk) = {
	.desc	 = "perf walks page tables from interrupts while tasks change mms",
	.kind	 = PATCH,
	.ops	 = 2000,
	.setup	 = setup,
	.run	 = perfwalk,
	.cleanup = oracle_cleanup,
};
