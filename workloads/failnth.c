// SPDX-License-Identifier: GPL-2.0
/*
 * Operations that make, change and end address spaces, in which the Nth allocation
 * fails, N = 1, 2, 3 and so on until the operation needs no more than that. The
 * kernel's fault injection does it: /proc/thread-self/fail-nth, for slabs and pages.
 * Memory must have the same contents afterwards as before, whether the operation
 * succeeded or not. Each try has a process of its own. One operation is one failed
 * allocation.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

#define SLAB	"/sys/kernel/debug/failslab/"
#define PAGE	"/sys/kernel/debug/fail_page_alloc/"
#define NTH	"/proc/thread-self/fail-nth"

#define TABLES	6

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* How the process of a try ends. */
enum { FAILED_NONE = 10, FAILED_ONE = 11 };

static void setup(void)
{
	/* Allocations that may sleep fail as well, and nothing but the Nth. */
	static const struct fault_setting settings[] = {
		{ SLAB "probability", "0" },
		{ SLAB "ignore-gfp-wait", "N" },
		{ SLAB "verbose", "0" },
		{ PAGE "probability", "0" },
		{ PAGE "ignore-gfp-wait", "N" },
		{ PAGE "ignore-gfp-highmem", "N" },
		{ PAGE "min-order", "0" },
		{ PAGE "verbose", "0" },
	};

	faults_setup(settings, sizeof(settings) / sizeof(settings[0]));
}

/* -- failing ------------------------------------------------------------------- */

static int nth_fd = -1;

/* Opened before the try, since open() needs allocations, too; stays open across exec. */
static void fail_nth(int nth)
{
	char text[16];
	int len = sprintf(text, "%d", nth);

	if (pwrite(nth_fd, text, len, 0) != len)
		die(NTH ": can't write %d: %m", nth);
}

/* How many allocations are left until one fails; 0: it has. */
static int left(int fd)
{
	char text[16];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		die(NTH ": %m");
	text[n] = '\0';
	return atoi(text);
}

/* -- memory ---------------------------------------------------------------------- */

static char *memory;		/* a page in each of TABLES tables, in three mappings */
static unsigned long table_bytes;	/* that a table of PTEs maps */

static uint64_t *word(int table)
{
	return (uint64_t *)(memory + table * table_bytes);
}

static void make_memory(void)
{
	table_bytes = table_size();
	memory = reserve(2 * TABLES * table_bytes, table_bytes);
	if (mprotect(memory, TABLES * table_bytes, PROT_READ | PROT_WRITE))
		die("mprotect: %m");
	if (madvise(memory, TABLES * table_bytes, MADV_NOHUGEPAGE) && errno != EINVAL)
		die("madvise: %m");
	/* Mappings that aren't merged. */
	if (madvise(memory + TABLES / 3 * table_bytes, TABLES / 3 * table_bytes, MADV_DONTDUMP))
		die("madvise: %m");
	for (int i = 0; i < TABLES; i++)
		*word(i) = walk_signature(i);
}

/* All but the table @but, if that is not negative. */
static void check_memory(int but)
{
	for (int i = 0; i < TABLES; i++)
		if (i != but && *(volatile uint64_t *)word(i) != walk_signature(i))
			die("the page at table %d has changed", i);
}

/* -- operations: 0, or the error of the one call that may fail ------------------- */

static int op_fork(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return errno;
	if (!pid) {
		check_memory(-1);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %m");
	if (status)
		die("a child ended with status %#x", status);
	return 0;
}

static void *thread(void *unused)
{
	check_memory(-1);
	return unused;
}

static int op_thread(void)
{
	pthread_t id;
	int err = pthread_create(&id, NULL, thread, NULL);

	if (!err)
		pthread_join(id, NULL);
	return err;
}

static int op_exec(void)
{
	char fd[16];
	char *argv[] = { "failnth-helper", fd, NULL }, *envp[] = { NULL };

	sprintf(fd, "%d", nth_fd);
	execve("/proc/self/exe", argv, envp);
	return errno;
}

static int map_and_touch(int flags, int advice)
{
	char *map = mmap(NULL, 2 * table_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	int err;

	if (map == MAP_FAILED)
		return errno;
	if (advice && madvise(map, 2 * table_bytes, advice) && errno != EINVAL)
		return errno;
	/* Page faults try again; of huge pages one may be all there is. */
	if (madvise(map, 2 * table_bytes, MADV_POPULATE_WRITE))
		return errno;
	err = munmap(map, 2 * table_bytes) ? errno : 0;
	return err;
}

static int op_touch(void)
{
	return map_and_touch(0, MADV_NOHUGEPAGE);
}

static int op_huge(void)
{
	return map_and_touch(0, MADV_HUGEPAGE);
}

static int op_hugetlb(void)
{
	return map_and_touch(MAP_HUGETLB, 0);
}

/* Splits a mapping, frees a table. */
static int op_munmap(void)
{
	return munmap(word(1), table_bytes) ? errno : 0;
}

/* Moves tables to where there are none. */
static int op_mremap(void)
{
	void *to = memory + TABLES * table_bytes;

	if (mremap(word(1), table_bytes, table_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		return errno;
	if (*(volatile uint64_t *)to != walk_signature(1))
		die("a page has changed while it was moved");
	return 0;
}

static int op_collapse(void)
{
	return madvise(word(1), table_bytes, MADV_COLLAPSE) ? errno : 0;
}

static const struct op {
	const char *name;
	int (*run)(void);
	int changes;		/* the table that isn't there afterwards, or -1 */
} ops[] = {
	{ "fork", op_fork, -1 },
	{ "thread", op_thread, -1 },
	{ "exec", op_exec, -1 },
	{ "touch", op_touch, -1 },
	{ "huge", op_huge, -1 },
	{ "hugetlb", op_hugetlb, -1 },
	{ "munmap", op_munmap, 1 },
	{ "mremap", op_mremap, 1 },
	{ "collapse", op_collapse, -1 },
};

#define NR_OPS ((int)(sizeof(ops) / sizeof(ops[0])))

/* The program that op_exec() executes, in the same process. */
static int helper(int argc, char **argv)
{
	int fd;

	if (argc != 2)
		return EXIT_FAILED;
	fd = atoi(argv[1]);
	return left(fd) ? FAILED_NONE : FAILED_ONE;
}

/* -- tries --------------------------------------------------------------------- */

static void try(const struct op *op, int nth)
{
	int err, n;

	make_memory();
	nth_fd = open(NTH, O_RDWR);
	if (nth_fd < 0)
		die(NTH ": %m");
	fail_nth(nth);
	if (left(nth_fd) != nth)
		die(NTH ": is %d after %d was written", left(nth_fd), nth);
	err = op->run();
	n = left(nth_fd);
	fail_nth(0);
	/* Without its first allocation, the task, there is no fork. */
	if (!err && nth == 1 && op->run == op_fork)
		die("fork() succeeds though its first allocation should fail");
	/* These two fail for other reasons as well. */
	if (err && n && op->run != op_hugetlb && op->run != op_collapse)
		die("%s: %s, but no allocation was made to fail", op->name, strerror(err));
	check_memory(err ? -1 : op->changes);
	_exit(n ? FAILED_NONE : FAILED_ONE);
}

/* True if there was an Nth allocation. */
static bool failed(const struct op *op, int nth)
{
	int status;
	pid_t pid = fork_child();

	if (!pid)
		try(op, nth);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %m");
	count_exits(1, 1);
	/* An execve() that fails late has no program to return to. */
	if (WIFSIGNALED(status) && op->run == op_exec &&
	    (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGSEGV))
		return true;
	if (!WIFEXITED(status) ||
	    (WEXITSTATUS(status) != FAILED_NONE && WEXITSTATUS(status) != FAILED_ONE))
		die("%s, allocation %d: the process ended with status %#x", op->name, nth, status);
	return WEXITSTATUS(status) == FAILED_ONE;
}

/*
 * All operations in turn, since none may come to its end in the time given. Runs begin
 * with different N, so that many short ones see all.
 */
static int failnth(void)
{
	struct pace pace = pace_start(0, 1);
	int nth[NR_OPS], i = 0;

	if (!failed(&ops[0], 1))
		die("fault injection does not work: the first allocation of fork() succeeds");
	srandom(getpid());
	for (int k = 0; k < NR_OPS; k++)
		nth[k] = opt.seconds ? 1 + random() % 64 : 1;
	while (pace_more(&pace)) {
		for (i = (i + 1) % NR_OPS; !failed(&ops[i], nth[i]); i = (i + 1) % NR_OPS)
			nth[i] = 1;
		nth[i]++;
	}
	return 0;
}

WORKLOAD(failnth) = {
	.desc	 = "the Nth allocation of fork, exec, mmap and others fails, for each N",
	.kind	 = DISTURB,
	.ops	 = 300,
	.setup	 = setup,
	.run	 = failnth,
	.cleanup = faults_cleanup,
	.helper	 = helper,
};
