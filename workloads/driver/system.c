// SPDX-License-Identifier: GPL-2.0
/*
 * CPUs, processes, small files and time, for workloads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

#define ALONE_SECONDS	180

/* -- CPUs ------------------------------------------------------------------- */

bool cpu_list_has(const struct cpu_list *list, int cpu)
{
	for (int i = 0; i < list->nr; i++)
		if (list->cpu[i] == cpu)
			return true;
	return false;
}

static int parse_cpu(const char **text)
{
	char *end;
	long cpu;

	if (**text < '0' || **text > '9')
		return -1;
	cpu = strtol(*text, &end, 10);
	*text = end;
	return cpu < MAX_CPUS ? cpu : -1;
}

int cpu_list_parse(struct cpu_list *list, const char *text)
{
	int first, last;

	list->nr = 0;
	do {
		first = parse_cpu(&text);
		last = first;
		if (*text == '-') {
			text++;
			last = parse_cpu(&text);
		}
		if (first < 0 || last < first)
			return -1;
		for (; first <= last; first++)
			if (!cpu_list_has(list, first))
				list->cpu[list->nr++] = first;
	} while (*text++ == ',');

	return text[-1] ? -1 : 0;
}

void cpu_list_read(struct cpu_list *list, const char *which)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s", which);
	if (read_text(path, text, sizeof(text)) < 0)
		die("%s: %m", path);
	if (cpu_list_parse(list, text))
		die("%s: '%s' is no list of CPUs", path, text);
}

static int set_affinity(const struct cpu_list *list)
{
	size_t size = CPU_ALLOC_SIZE(MAX_CPUS);
	cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
	int err;

	if (!set)
		die("out of memory");
	CPU_ZERO_S(size, set);
	for (int i = 0; i < list->nr; i++)
		CPU_SET_S(list->cpu[i], size, set);
	err = sched_setaffinity(0, size, set);
	CPU_FREE(set);
	return err;
}

int move_to(int cpu)
{
	struct cpu_list list = { .nr = 1, .cpu = { cpu } };

	return set_affinity(&list);
}

void pin(int cpu)
{
	if (!move_to(cpu))
		return;
	if (errno != EINVAL || !opt.hotplug)
		die("sched_setaffinity to CPU %d: %m", cpu);
	unpin();
}

void unpin(void)
{
	struct cpu_list list;

	cpu_list_read(&list, "present");
	if (set_affinity(&list))
		die("sched_setaffinity to all CPUs: %m");
}

/* -- processes -------------------------------------------------------------- */

pid_t fork_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork: %m");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

void wait_child(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %m");
	if (WIFSIGNALED(status))
		die("a child was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		die("a child exited with %d", WEXITSTATUS(status));
}

void on_each_cpu(void (*fn)(int cpu, int i))
{
	pid_t pid[opt.cpus.nr];

	for (int i = 0; i < opt.cpus.nr; i++) {
		pid[i] = fork_child();
		if (!pid[i]) {
			pin(opt.cpus.cpu[i]);
			fn(opt.cpus.cpu[i], i);
			_exit(EXIT_OK);
		}
	}
	for (int i = 0; i < opt.cpus.nr; i++)
		wait_child(pid[i]);
	count_exits(opt.cpus.nr, opt.cpus.nr);
}

/* -- small files ------------------------------------------------------------ */

int read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while (len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0) {
			close(fd);
			return -1;
		}
		if (!n)
			break;
		len += n;
	}
	close(fd);
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return 0;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	errno = err;
	return n < 0 ? -1 : 0;
}

/* The kernels of the guests have no locks on files. */
static const char *lock_file(const char *what)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/workload.%s", what);
	return path;
}

void alone(const char *what)
{
	int fd;

	for (int tries = 0; tries < ALONE_SECONDS * 50; tries++) {
		fd = open(lock_file(what), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0) {
			close(fd);
			return;
		}
		if (errno != EEXIST)
			die("%s: %m", lock_file(what));
		sleep_ms(20);
	}
	die("%s has been there for %d seconds; remove it if no workload needs it",
	    lock_file(what), ALONE_SECONDS);
}

void not_alone(const char *what)
{
	unlink(lock_file(what));
}

/* -- memory ------------------------------------------------------------------ */

unsigned long page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

#define THP_SIZE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

unsigned long table_size(void)
{
	static unsigned long size;
	char text[32];

	if (size)
		return size;
	if (!read_text(THP_SIZE, text, sizeof(text)))
		size = strtoul(text, NULL, 10);
	else	/* a page full of 64-bit entries, as most architectures have it */
		size = page_size() / 8 * page_size();
	return size;
}

char *reserve(size_t size, size_t align)
{
	char *room = mmap(NULL, size + align, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		die("%zu bytes of addresses: %m", size + align);
	return (char *)(((uintptr_t)room + align - 1) & -(uintptr_t)align);
}

/* -- mms -------------------------------------------------------------------- */

#define SLAB "/sys/kernel/slab/mm_struct"

long count_mms(void)
{
	char text[256];

	if (access(SLAB "/objects", R_OK) || access(SLAB "/shrink", W_OK))
		skip(SLAB ": %m");
	/* Waits for a grace period; nothing is lost where it is not offered. */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	/* Objects in per-CPU slabs and in KASAN's quarantine: the number is exact then. */
	if (write_text(SLAB "/shrink", "1"))
		die(SLAB "/shrink: %m");
	if (read_text(SLAB "/objects", text, sizeof(text)) < 0)
		die(SLAB "/objects: %m");
	/* The total comes first, then figures per memory node. */
	return strtol(text, NULL, 10);
}

/* -- time ------------------------------------------------------------------- */

void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}
