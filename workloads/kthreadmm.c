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
#include <linux/ioctl.h>
#include <linux/types.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

/* As in mm/kthread_mm_test.h of the kernel. */
struct kthread_mm_test_access {
	__u64 address;
	__u32 value;
	__s32 error;
};

#define KTHREAD_MM_TEST_USE	_IO('k', 1)
#define KTHREAD_MM_TEST_UNUSE	_IO('k', 2)
#define KTHREAD_MM_TEST_READ	_IOWR('k', 3, struct kthread_mm_test_access)
#define KTHREAD_MM_TEST_WRITE	_IOWR('k', 4, struct kthread_mm_test_access)
#define KTHREAD_MM_TEST_CYCLE	_IO('k', 5)

#define DEVICE "/sys/kernel/debug/kthread_mm_test"

/* Pages of a file that are mapped at the same address: no architecture colours them apart. */
#define STRIDE	(1UL << 20)
#define SLOTS	16

static int device, file;
static uint32_t *page;
static long stale_in_all;

static void setup(void)
{
	if (access(DEVICE, R_OK | W_OK))
		skip(DEVICE ": %m; the kernel needs CONFIG_KTHREAD_MM_TEST");
	if (opt.cpus.nr < 2)
		skip("needs two CPUs");
}

/* -- the kernel thread ---------------------------------------------------------- */

static void ask(unsigned long request, unsigned long argument, const char *what)
{
	if (ioctl(device, request, argument))
		die("%s: %s: %m", DEVICE, what);
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

static void thread_must_read(volatile uint32_t *where, uint32_t expected)
{
	uint32_t value;

	if (thread_reads(where, &value))
		die("the kernel thread can't read: %m");
	if (value != expected)
		die("the kernel thread reads %u before anything has changed, not %u", value, expected);
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
	uint32_t value;

	fill_slot(0, 2 * round);
	fill_slot(1, 2 * round + 1);
	map_slot(0);
	thread_must_read(page, 2 * round);
	map_slot(1);
	return thread_reads(page, &value) || value != 2 * round + 1;
}

/* No page at this address. */
static bool unmap(uint32_t round)
{
	uint32_t value;

	map_anonymous();
	*page = round;
	thread_must_read(page, round);
	if (munmap(page, page_size()))
		die("munmap: %m");
	return !thread_reads(page, &value) || errno != EFAULT;
}

/* A page that may no more be written. */
static bool protect(uint32_t round)
{
	map_anonymous();
	*page = round;
	if (thread_writes(page, round + 1))
		die("the kernel thread can't write: %m");
	if (mprotect(page, page_size(), PROT_READ))
		die("mprotect: %m");
	return !thread_writes(page, round + 2) || errno != EFAULT;
}

/* The kernel thread is the one that changes the mapping: its write gets a page for it. */
static bool copy(uint32_t round)
{
	uint32_t before;

	map_anonymous();
	/* The zero page. */
	before = *(volatile uint32_t *)page;
	if (before || thread_writes(page, round + 1))
		die("the kernel thread can't write: %m");
	return *(volatile uint32_t *)page != round + 1;
}

/* After an unuse and another use, what changed in between counts, too. */
static bool again(uint32_t round)
{
	uint32_t value;

	fill_slot(0, 2 * round);
	fill_slot(1, 2 * round + 1);
	map_slot(0);
	thread_must_read(page, 2 * round);
	thread_ends();
	map_slot(1);
	thread_starts();
	return thread_reads(page, &value) || value != 2 * round + 1;
}

/* -- changes while the kernel thread comes and goes ------------------------------- */

struct progress {
	_Atomic uint32_t mapped;
	_Atomic long reads, stale;
	_Atomic bool stop;
};

/* Another process has the thread read: what it gets must not be older than its question. */
static void read_on(struct progress *progress)
{
	uint32_t value;

	while (!atomic_load(&progress->stop)) {
		uint32_t mapped = atomic_load(&progress->mapped);

		if (atomic_fetch_add(&progress->reads, 1) % 2)
			ask(KTHREAD_MM_TEST_CYCLE, 0, "cycle");
		if (!thread_reads(page, &value) && value < mapped)
			atomic_fetch_add(&progress->stale, 1);
	}
	_exit(EXIT_OK);
}

static void race(uint32_t changes)
{
	struct progress *progress = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long stale, reads;
	pid_t pid;

	if (progress == MAP_FAILED)
		die("mmap: %m");
	fill_slot(0, 0);
	map_slot(0);
	thread_starts();
	pid = fork_child();
	if (!pid)
		read_on(progress);
	while (!atomic_load(&progress->reads))
		sleep_ms(1);
	for (uint32_t i = 1; i <= changes; i++) {
		fill_slot(i, i);
		map_slot(i);
		atomic_store(&progress->mapped, i);
	}
	atomic_store(&progress->stop, true);
	wait_child(pid);
	thread_ends();
	stale = atomic_load(&progress->stale);
	reads = atomic_load(&progress->reads);
	printf("race: %ld of %ld reads stale, %u changes\n", stale, reads, changes);
	stale_in_all += stale;
	munmap(progress, page_size());
}

/* -- the process ends while the kernel thread is on its mm ------------------------- */

#define MEMORY	(16UL << 20)

static long free_memory(void)
{
	char text[4096], *at;
	long kib;

	if (read_text("/proc/meminfo", text, sizeof(text)) < 0)
		die("/proc/meminfo: %m");
	at = strstr(text, "MemFree:");
	if (!at || sscanf(at, "MemFree: %ld", &kib) != 1)
		die("/proc/meminfo has no MemFree");
	return kib;
}

/* The kernel has a few pages in lists of each CPU, and others use some. */
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
	thread_must_read(page, 4711);
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
	struct pace pace = pace_start(0, 1);
	long stale = 0;

	thread_starts();
	while (pace_more(&pace))
		stale += try(pace.done);
	thread_ends();
	printf("%s: %ld of %ld stale\n", name, stale, pace.done);
	stale_in_all += stale;
}

static int kthreadmm(void)
{
	struct pace pace = pace_start(0, 1);
	long stale = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		die(DEVICE ": %m");
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
	race(100 * opt.ops);

	while (pace_more(&pace))
		stale += owner_ends();
	printf("owner ends: %ld of %ld stale\n", stale, pace.done);
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
