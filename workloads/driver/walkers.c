// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that walk the page tables of their process with gup_fast(), over and over.
 *
 * They do so in two ways. vmsplice() takes a page of the caller by gup_fast(); the pipe
 * then has the page that the walk found, so a walk of a table that has become something
 * else is seen. And the kernel's gup_test walks pages of the thread's own, many times in a
 * call, so that the threads are in a walk most of the time without pinning the memory that
 * the workload works on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gup_test.h"
#include "workload.h"

#define MAX_WALKERS	64
#define OWN_PAGES	16

static struct {
	const struct walk_region *region;
	atomic_bool stop, look_away;
	pthread_t thread[MAX_WALKERS];
	int nr;
} walkers;

/* Have the kernel look at page @i of the region, if there is a page. */
static void look_at(int pipe[2], unsigned long i)
{
	const struct walk_region *region = walkers.region;
	uint64_t word;
	struct iovec iov = {
		.iov_base = region->start + i * region->stride,
		.iov_len = sizeof(word),
	};

	if (vmsplice(pipe[1], &iov, 1, 0) < 0) {
		if (errno == EFAULT || errno == EINTR)
			return;		/* unmapped at the moment */
		die("vmsplice: %m");
	}
	if (read(pipe[0], &word, sizeof(word)) != sizeof(word))
		die("pipe: %m");
	/* Zero: not written yet. */
	if (word && word != walk_signature(i))
		die("a walk found %" PRIx64 " on page %lu, should be %" PRIx64,
		    word, i, walk_signature(i));
}

static void *walk(void *arg)
{
	int nr = (long)arg, gup = open(GUP_TEST, O_RDWR), pipes[2];
	const struct cpu_list *cpus = &opt.cpus;
	bool migrate = nr % 2 && cpus->nr > 2;
	unsigned long i = nr * 16;
	char *own;

	own = mmap(NULL, OWN_PAGES * page_size(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (own == MAP_FAILED || pipe(pipes))
		die("a walker's pages and pipe: %m");

	pin(cpus->cpu[nr % cpus->nr]);
	while (!atomic_load(&walkers.stop)) {
		struct gup_test test = {
			.addr = (uintptr_t)own,
			.size = OWN_PAGES * page_size(),
			.nr_pages_per_call = 1,
		};

		if (!atomic_load(&walkers.look_away))
			look_at(pipes, i % walkers.region->pages);
		i++;
		if (gup >= 0 && ioctl(gup, GUP_FAST_BENCHMARK, &test) && errno != EINTR)
			die("gup_fast of a page: %m");
		if (migrate && i % 8 == 0)
			pin(cpus->cpu[(nr + i / 8) % cpus->nr]);
	}
	munmap(own, OWN_PAGES * page_size());
	close(pipes[0]);
	close(pipes[1]);
	if (gup >= 0)
		close(gup);
	return NULL;
}

static void start(void *(*fn)(void *), long arg)
{
	int err = pthread_create(&walkers.thread[walkers.nr], NULL, fn, (void *)arg);

	if (err)
		die("pthread_create: %s", strerror(err));
	walkers.nr++;
}

void walkers_start(const struct walk_region *region, int first, int nr)
{
	walkers.region = region;
	atomic_store(&walkers.stop, false);
	for (int i = 0; i < nr && i < MAX_WALKERS; i++)
		start(walk, first + i);
	pollers_start();
}

void walkers_look_away(bool away)
{
	atomic_store(&walkers.look_away, away);
}

void walkers_stop(void)
{
	atomic_store(&walkers.stop, true);
	while (walkers.nr)
		pthread_join(walkers.thread[--walkers.nr], NULL);
	pollers_stop();
}

uint64_t walk_signature(unsigned long page)
{
	return (page + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

/* -- counters of the kernel -------------------------------------------------- */

long table_sync_counter(const char *name)
{
	static char text[1 << 16];
	size_t len = strlen(name);
	char *line = text;

	if (read_text(TABLE_SYNC_COUNTERS, text, sizeof(text)))
		return 0;
	do {
		if (!strncmp(line, name, len) && line[len] == ' ')
			return strtol(line + len, NULL, 10);
		line = strchr(line, '\n');
	} while (line++);
	return 0;
}

static long survived_before;

void oracle_setup(void)
{
	survived_before = table_sync_counter("walks_survived");
}

int oracle_cleanup(void)
{
	long n = table_sync_counter("walks_survived") - survived_before;

	if (!n)
		return 0;
	warn("%ld walks outlived the wait for them, says %s", n, TABLE_SYNC_COUNTERS);
	return -1;
}
