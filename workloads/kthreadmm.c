// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel thread works on this process's address space, on a second CPU, and mappings
 * change under it. What it reads and writes then must be what the mappings say, and what it
 * writes must be what the process reads. The thread is the kernel's own, of the module
 * kthread_mm_test. Uses the first two CPUs given, and ends with 1 if anything was stale.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kthread_mm_test.h"
#include "workload.h"

/* Pages of a file that are mapped at the same address: no architecture colours them apart. */
#define STRIDE	(1UL << 20)
#define SLOTS	16

static int device, file;
static uint32_t *page;
static long stale_in_all;

static void setup(void)
{
	if (access(KTHREAD_MM_TEST, R_OK | W_OK))
		skip(KTHREAD_MM_TEST ": %m; the kernel needs CONFIG_KTHREAD_MM_TEST");
	if (opt.cpus.nr < 2)
		skip("needs two CPUs");
}

/* -- the kernel thread ---------------------------------------------------------- */

static void ask(unsigned long request, unsigned long argument, const char *what)
{
	if (ioctl(device, request, argument))
		die("%s: %s: %m", KTHREAD_MM_TEST, what);
}

static void thread_starts(void)
{
	ask(KTHREAD_MM_TEST_USE, opt.cpus.cpu[1], "use");
}

static void thread_ends(void)
{
	ask(KTHREAD_MM_TEST_UNUSE, 0, "unuse");
}

/* 0, or -1 and errno. */
static int thread_reads(volatile uint32_t *where, uint32_t *value)
{
	struct kthread_mm_test_access access = { .address = (uintptr_t)where };

	ask(KTHREAD_MM_TEST_READ, (unsigned long)&access, "read");
	*value = access.value;
	errno = -access.error;
	return access.error ? -1 : 0;
}

static int thread_writes(volatile uint32_t *where, uint32_t value)
{
	struct kthread_mm_test_access access = { .address = (uintptr_t)where, .value = value };

	ask(KTHREAD_MM_TEST_WRITE, (unsigned long)&access, "write");
	errno = -access.error;
	return access.error ? -1 : 0;
}

/* Whether it sees what is there. */
static bool thread_sees(volatile uint32_t *where, uint32_t expected)
{
	uint32_t value;

	return !thread_reads(where, &value) && value == expected;
}

/* -- the cases: each tells whether something was stale ----------------------------- */

static void map_anonymous(void)
{
	if (mmap(page, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		die("mmap: %m");
}

static void map_slot(uint32_t slot)
{
	if (mmap(page, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
		 slot % SLOTS * STRIDE) == MAP_FAILED)
		die("mmap: %m");
}

static void fill_slot(uint32_t slot, uint32_t value)
{
	if (pwrite(file, &value, sizeof(value), slot % SLOTS * STRIDE) != sizeof(value))
		die("pwrite: %m");
}

/* Another page at the same address. */
static bool remap(uint32_t round)
{
	bool stale;

	fill_slot(0, 2 * round);
	fill_slot(1, 2 * round + 1);
	map_slot(0);
	stale = !thread_sees(page, 2 * round);
	map_slot(1);
	return !thread_sees(page, 2 * round + 1) || stale;
}

/* No page at this address. */
static bool unmap(uint32_t round)
{
	uint32_t value;
	bool stale;

	map_anonymous();
	*page = round;
	stale = !thread_sees(page, round);
	if (munmap(page, page_size()))
		die("munmap: %m");
	return !thread_reads(page, &value) || errno != EFAULT || stale;
}

/* A page that may no more be written. */
static bool protect(uint32_t round)
{
	bool stale;

	map_anonymous();
	*page = round;
	stale = thread_writes(page, round + 1) || *(volatile uint32_t *)page != round + 1;
	if (mprotect(page, page_size(), PROT_READ))
		die("mprotect: %m");
	return !thread_writes(page, round + 2) || errno != EFAULT || stale;
}

/* The kernel thread is the one that changes the mapping: its write gets a page for it. */
static bool copy(uint32_t round)
{
	map_anonymous();
	/* The zero page. */
	return *(volatile uint32_t *)page || thread_writes(page, round + 1) ||
	       *(volatile uint32_t *)page != round + 1;
}

/* After an unuse and another use, what changed in between counts, too. */
static bool again(uint32_t round)
{
	bool stale;

	fill_slot(0, 2 * round);
	fill_slot(1, 2 * round + 1);
	map_slot(0);
	stale = !thread_sees(page, 2 * round);
	thread_ends();
	map_slot(1);
	thread_starts();
	return !thread_sees(page, 2 * round + 1) || stale;
}

/* -- changes while the kernel thread comes and goes ------------------------------- */

struct progress {
	_Atomic uint32_t changes;
	_Atomic long reads, stale;
	_Atomic bool done;
};

#define READS_IN_A_ROW	1000

/* Another process asks for it and waits, until there were enough of both. */
static void watch(struct progress *progress, volatile uint32_t *mapped, long reads,
		  uint32_t changes)
{
	while (atomic_load(&progress->reads) < reads || atomic_load(&progress->changes) < changes) {
		struct kthread_mm_test_access access = {
			.address = (uintptr_t)page,
			.floor	 = (uintptr_t)mapped,
			.value	 = READS_IN_A_ROW,
		};

		ask(KTHREAD_MM_TEST_WATCH, (unsigned long)&access, "watch");
		atomic_fetch_add(&progress->stale, access.value);
		atomic_fetch_add(&progress->reads, READS_IN_A_ROW);
	}
	atomic_store(&progress->done, true);
	_exit(EXIT_OK);
}

static void race(long reads, uint32_t changes)
{
	struct progress *progress = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static _Atomic uint32_t mapped;
	uint32_t i = 0;
	pid_t pid;

	if (progress == MAP_FAILED)
		die("mmap: %m");
	fill_slot(0, 0);
	map_slot(0);
	thread_starts();
	pid = fork_child();
	if (!pid)
		watch(progress, (volatile uint32_t *)&mapped, reads, changes);
	while (!atomic_load(&progress->done)) {
		i++;
		fill_slot(i, i);
		map_slot(i);
		atomic_store(&mapped, i);
		atomic_store(&progress->changes, i);
	}
	wait_child(pid);
	thread_ends();
	printf("race: %ld of %ld reads stale, %u changes\n", atomic_load(&progress->stale),
	       atomic_load(&progress->reads), i);
	stale_in_all += atomic_load(&progress->stale);
	munmap(progress, page_size());
}

/* -- the process ends while the kernel thread is on its mm ------------------------- */

#define MEMORY	(16UL << 20)

/* In KiB; with the pages that are free in the lists of each CPU. */
static long free_memory(void)
{
	static char text[1 << 16];
	long pages = 0, value;

	if (read_text("/proc/zoneinfo", text, sizeof(text)) < 0)
		die("/proc/zoneinfo: %m");
	for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n")) {
		if (strcmp(word, "nr_free_pages") && strcmp(word, "count:"))
			continue;
		word = strtok(NULL, " \n");
		if (!word || sscanf(word, "%ld", &value) != 1)
			die("/proc/zoneinfo: a number is missing");
		pages += value;
	}
	return pages * (page_size() >> 10);
}

/* Others use some pages meanwhile. */
static bool memory_is_back(long with_owner)
{
	long end = now_ms() + 5000;

	while (free_memory() - with_owner < (long)(MEMORY >> 10) * 3 / 4) {
		if (now_ms() > end)
			return false;
		sleep_ms(10);
	}
	return true;
}

static void own(const int *ready, const int *go_on)
{
	char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char byte;

	if (memory == MAP_FAILED)
		die("mmap: %m");
	memset(memory, 1, MEMORY);
	map_anonymous();
	*page = 4711;
	thread_starts();
	if (!thread_sees(page, 4711))
		die("the kernel thread doesn't see the page");
	if (write(ready[1], "", 1) != 1 || read(go_on[0], &byte, 1) != 1)
		die("pipe: %m");
	_exit(EXIT_OK);
}

static bool owner_ends(void)
{
	int ready[2], go_on[2];
	uint32_t value;
	long with_owner;
	bool back, faults;
	char byte;
	pid_t pid;

	if (pipe(ready) || pipe(go_on))
		die("pipe: %m");
	pid = fork_child();
	if (!pid)
		own(ready, go_on);
	if (read(ready[0], &byte, 1) != 1)
		die("the owner has ended too early");
	with_owner = free_memory();
	if (write(go_on[1], "", 1) != 1)
		die("pipe: %m");
	wait_child(pid);
	back = memory_is_back(with_owner);
	faults = thread_reads(page, &value) && errno == EFAULT;
	thread_ends();
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go_on[i]);
	}
	if (!back)
		warn("the memory isn't free 5 s after its owner's end");
	return !back || !faults;
}

/* -- all of them ------------------------------------------------------------------- */

static void count_stale(const char *name, bool (*try)(uint32_t round))
{
	long stale = 0;

	thread_starts();
	for (long i = 1; i <= opt.ops; i++)
		stale += try(i);
	thread_ends();
	printf("%s: %ld of %ld stale\n", name, stale, opt.ops);
	stale_in_all += stale;
}

static int kthreadmm(void)
{
	long stale = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	device = open(KTHREAD_MM_TEST, O_RDWR | O_CLOEXEC);
	if (device < 0)
		die(KTHREAD_MM_TEST ": %m");
	file = memfd_create("kthreadmm", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, SLOTS * STRIDE))
		die("memfd: %m");
	page = (uint32_t *)reserve(page_size(), STRIDE);
	pin(opt.cpus.cpu[0]);

	count_stale("remap", remap);
	count_stale("unmap", unmap);
	count_stale("protect", protect);
	count_stale("copy", copy);
	count_stale("again", again);
	race(1000 * opt.ops, 10 * opt.ops);

	for (long i = 0; i < opt.ops; i++)
		stale += owner_ends();
	printf("owner ends: %ld of %ld stale\n", stale, opt.ops);
	stale_in_all += stale;
	return stale_in_all ? EXIT_FAILED : EXIT_OK;
}

WORKLOAD(kthreadmm) = {
	.desc	= "a kernel thread works on a process whose mappings change",
	.kind	= TOOL,
	.ops	= 20,
	.setup	= setup,
	.run	= kthreadmm,
};
