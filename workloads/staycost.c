// SPDX-License-Identifier: GPL-2.0
/*
 * How long common entries into the kernel are, in instructions, under lab/vm -n 1 -i 0: what
 * a program does that has a CPU for itself, and what others make it do. Prints
 *
 *   getpid_insns    a system call that does nothing
 *   read_insns      a read of 4096 bytes that are in memory
 *   pipe_insns      a byte into a pipe
 *   wake_insns      a futex operation that wakes nobody
 *   fault_insns     the first access to a page
 *   protect_insns   mprotect() of 16 pages, with the flush of the TLB
 *   unmap_insns     munmap() of 16 pages
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

#define ROUNDS	200
#define PAGES	16

static char *next_page;
static char *next_piece;
static int file;
static int ends[2];
static int word;

static void do_getpid(void *unused)
{
	(void)unused;
	syscall(SYS_getpid);
}

static void do_read(void *unused)
{
	char buffer[4096];

	(void)unused;
	if (pread(file, buffer, sizeof(buffer), 0) != sizeof(buffer))
		die("read of %zu bytes: %m", sizeof(buffer));
}

static void do_pipe(void *unused)
{
	(void)unused;
	if (write(ends[1], "", 1) != 1)
		die("write to a pipe: %m");
}

static void do_wake(void *unused)
{
	(void)unused;
	if (syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0))
		die("futex: %m");
}

static void do_fault(void *unused)
{
	(void)unused;
	*(volatile char *)next_page = 1;
	next_page += page_size();
}

static void do_protect(void *unused)
{
	static int protection = PROT_READ;

	(void)unused;
	if (mprotect(next_piece, PAGES * page_size(), protection))
		die("mprotect: %m");
	protection ^= PROT_WRITE;
}

static void do_unmap(void *unused)
{
	(void)unused;
	if (munmap(next_piece, PAGES * page_size()))
		die("munmap: %m");
	next_piece += PAGES * page_size();
}

/* Memory in pages of the usual size. */
static char *small_pages(size_t nr)
{
	size_t size = nr * page_size();
	char *memory = reserve(size, page_size());

	if (mprotect(memory, size, PROT_READ | PROT_WRITE) ||
	    (madvise(memory, size, MADV_NOHUGEPAGE) && errno != EINVAL))
		die("memory of %zu pages: %m", nr);
	return memory;
}

static int staycost(void)
{
	static const struct {
		const char *name;
		void (*fn)(void *unused);
	} stays[] = {
		{ "getpid", do_getpid },
		{ "read", do_read },
		{ "pipe", do_pipe },
		{ "wake", do_wake },
		{ "fault", do_fault },
		{ "protect", do_protect },
		{ "unmap", do_unmap },
	};
	char name[] = "/tmp/staycost.XXXXXX";

	file = mkstemp(name);
	if (file < 0 || unlink(name) || ftruncate(file, 4096) || pipe(ends))
		die("a file and a pipe: %m");
	next_page = small_pages(ROUNDS);
	next_piece = small_pages(ROUNDS * PAGES);
	if (madvise(next_piece, ROUNDS * PAGES * page_size(), MADV_POPULATE_WRITE))
		die("memory of %d pages: %m", ROUNDS * PAGES);
	for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++)
		printf("%s_insns=%.0f\n", stays[i].name, insns_of(stays[i].fn, NULL, ROUNDS));
	return 0;
}

WORKLOAD(staycost) = {
	.desc	= "prints how long entries into the kernel are, in instructions, under lab/vm -n 1 -i 0",
	.kind	= TOOL,
	.run	= staycost,
};
