// SPDX-License-Identifier: GPL-2.0
/*
 * MEMBARRIER_CMD_GLOBAL_EXPEDITED must interrupt each CPU that runs a registered process.
 *
 * Each CPU has a copy of the membarrier state of the mm that it runs on, and the
 * command looks at the copies only. The scheduler updates a copy when it changes the mm. The
 * copy must also be right if the CPU goes on with the mm that it had: after an exit, and
 * after any other time with a kernel thread that borrows the mm.
 *
 * In each case a registered process ends up with a thread in user mode on the second
 * CPU. Then a process that isn't registered makes -n calls on the first CPU. Each of
 * them must interrupt the second. The process of the first case isn't registered, which
 * shows that nothing else causes these interrupts.
 *
 * There is no case for kthread_use_mm(): in the kernels of the lab nothing makes a kernel
 * thread use the mm of a process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

#define TIMEOUT_MS 20000

static int here, there;		/* the first CPU and the second */

/* From the registered process to the one that calls. */
static struct {
	atomic_bool ready;
	atomic_ulong turns;	/* grows as long as a thread is in user mode */
} *shared;

/* From one of its threads to another. */
static atomic_int tid;		/* of the last thread started */
static atomic_bool spinning, child_gone;
static int wakeup[2];

static void membarrier(int cmd)
{
	if (syscall(SYS_membarrier, cmd, 0, 0))
		die("membarrier command %d: %m", cmd);
}

static void register_process(void)
{
	membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
}

static void await(atomic_bool *flag, const char *what)
{
	long end = now_ms() + TIMEOUT_MS;

	while (!atomic_load(flag)) {
		if (now_ms() > end)
			die("waited too long for %s", what);
		sleep_ms(1);
	}
}

/* -- threads on the second CPU ------------------------------------------------ */

static void spin(void)
{
	for (;;)
		atomic_fetch_add_explicit(&shared->turns, 1, memory_order_relaxed);
}

static void *spinner(void *arg)
{
	pin(there);
	atomic_store(&tid, gettid());
	atomic_store(&spinning, true);
	spin();
	return arg;
}

static void *sleeper(void *arg)
{
	char byte;

	pin(there);
	atomic_store(&tid, gettid());
	if (read(wakeup[0], &byte, 1) != 1)
		die("read from a pipe: %m");
	return spinner(arg);
}

static void *leaver(void *arg)
{
	pin(there);
	atomic_store(&tid, gettid());
	return arg;
}

/* A child that uses the mm of its parent until it ends or executes a program. */
static void *with_child(bool exec)
{
	static char *const argv[] = { "membarrier-helper", NULL };
	static char *const envp[] = { NULL };
	pid_t pid;

	pin(there);
	pid = vfork();
	if (pid < 0)
		die("vfork: %m");
	if (!pid) {
		if (exec)
			execve("/proc/self/exe", argv, envp);
		_exit(exec ? EXIT_FAILED : EXIT_OK);
	}
	wait_child(pid);
	atomic_store(&child_gone, true);
	/* The exit of this thread would be another case. */
	for (;;)
		pause();
	return NULL;
}

static void *ending_child(void *arg)
{
	(void)arg;
	return with_child(false);
}

static void *executing_child(void *arg)
{
	(void)arg;
	return with_child(true);
}

static void start(void *(*fn)(void *))
{
	pthread_t thread;
	int err;

	atomic_store(&tid, 0);
	err = pthread_create(&thread, NULL, fn, NULL);
	if (err)
		die("pthread_create: %s", strerror(err));
	pthread_detach(thread);
}

static void start_spinner(void)
{
	start(spinner);
	await(&spinning, "a thread in user mode");
}

/* 'S' for a thread that sleeps, 0 for one that is no more. */
static char state_of_thread(int id)
{
	char path[64], text[512], *end;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", id);
	if (read_text(path, text, sizeof(text)))
		return 0;
	/* After the name in parentheses. */
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : 0;
}

static void await_state(char state)
{
	long end = now_ms() + TIMEOUT_MS;

	while (!atomic_load(&tid) || state_of_thread(atomic_load(&tid)) != state) {
		if (now_ms() > end)
			die("a thread has not come to state '%c'", state ? state : '-');
		sleep_ms(1);
	}
	/* Time until the switch away from the thread. */
	sleep_ms(20);
}

static void start_sleeper(void)
{
	if (pipe(wakeup))
		die("pipe: %m");
	start(sleeper);
	await_state('S');
}

static void wake_sleeper(void)
{
	if (write(wakeup[1], "", 1) != 1)
		die("write to a pipe: %m");
	await(&spinning, "a thread in user mode");
}

/* -- cases ---------------------------------------------------------------------- */

static void not_registered(void)
{
	start_spinner();
}

static void nothing_between(void)
{
	register_process();
	start_spinner();
}

/* From the thread that exits the CPU switches to the one in user mode. */
static void exit_beside(void)
{
	register_process();
	start_spinner();
	start(leaver);
	await_state(0);
}

/* The same with idleness between the two. */
static void exit_then_idle(void)
{
	register_process();
	start_sleeper();
	start(leaver);
	await_state(0);
	wake_sleeper();
}

static void child_exits(void)
{
	register_process();
	start_spinner();
	start(ending_child);
	await(&child_gone, "a child's end");
}

/* Such a child has an mm of its own when it exits. */
static void child_executes(void)
{
	register_process();
	start_spinner();
	start(executing_child);
	await(&child_gone, "a child's end");
}

/* The CPU borrows the mm at that time, it doesn't run a thread of the process. */
static void registered_while_idle(void)
{
	start_sleeper();
	register_process();
	wake_sleeper();
}

/* The same for a process of one thread, which leaves its mm to the CPU by moving on. */
static void registered_elsewhere(void)
{
	pin(there);
	pin(here);
	/* Now the second CPU is idle. */
	sleep_ms(20);
	register_process();
	pin(there);
	atomic_store(&shared->ready, true);
	spin();
}

static const struct {
	const char *name;
	void (*fn)(void);
	bool interrupts;
} cases[] = {
	{ "not-registered",	  not_registered, false },
	{ "nothing-between",	  nothing_between, true },
	{ "exit",		  exit_beside, true },
	{ "exit-then-idle",	  exit_then_idle, true },
	{ "child-exits",	  child_exits, true },
	{ "child-executes",	  child_executes, true },
	{ "registered-idle",	  registered_while_idle, true },
	{ "registered-elsewhere", registered_elsewhere, true },
};

/* -- the caller ------------------------------------------------------------------ */

#define FUNCTION_CALLS "Function call interrupts"

/* The number of them that the second CPU has had. */
static long interrupts(void)
{
	FILE *file = fopen("/proc/interrupts", "re");
	int column = -1, i;
	char *line = NULL, *word, name[16];
	long count = -1;
	size_t size = 0;

	if (!file)
		die("/proc/interrupts: %m");
	/* The first line names the CPUs, which are those online only. */
	snprintf(name, sizeof(name), "CPU%d", there);
	if (getline(&line, &size, file) < 0)
		die("/proc/interrupts: %m");
	word = strtok(line, " \n");
	for (i = 1; word; i++, word = strtok(NULL, " \n"))
		if (!strcmp(word, name))
			column = i;
	while (count < 0 && getline(&line, &size, file) >= 0) {
		if (!strstr(line, FUNCTION_CALLS))
			continue;
		word = strtok(line, " \n");
		for (i = 0; word && i < column; i++)
			word = strtok(NULL, " \n");
		if (word)
			count = strtol(word, NULL, 10);
	}
	if (column < 0 || count < 0)
		skip("/proc/interrupts has no '" FUNCTION_CALLS "' of CPU %d", there);
	free(line);
	fclose(file);
	return count;
}

static void await_ready(pid_t pid)
{
	long end = now_ms() + 3 * TIMEOUT_MS;

	while (!atomic_load(&shared->ready)) {
		if (now_ms() > end)
			die("waited too long for the process that is to be interrupted");
		if (waitpid(pid, NULL, WNOHANG))
			die("the process that is to be interrupted has ended");
		sleep_ms(1);
	}
	/* Time for the interrupts of its start to end. */
	sleep_ms(20);
}

/* A kernel thread that has the second CPU for a while excuses the call. */
static void await_turn(void)
{
	unsigned long turns = atomic_load(&shared->turns);
	long end = now_ms() + TIMEOUT_MS;

	while (atomic_load(&shared->turns) == turns)
		if (now_ms() > end)
			die("nothing is in user mode on CPU %d", there);
}

static long interrupts_of_calls(void (*fn)(void))
{
	long before, count;
	pid_t pid;

	atomic_store(&shared->ready, false);
	pid = fork_child();
	if (!pid) {
		fn();
		atomic_store(&shared->ready, true);
		for (;;)
			pause();
	}
	await_ready(pid);
	before = interrupts();
	for (long i = 0; i < opt.ops; i++) {
		await_turn();
		membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
	}
	count = interrupts() - before;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return count;
}

static int run_cases(void)
{
	const int needed = MEMBARRIER_CMD_GLOBAL_EXPEDITED |
			   MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	int status = EXIT_OK;

	if (opt.cpus.nr < 2)
		skip("needs two CPUs");
	if (commands < 0 || (commands & needed) != needed)
		skip("this kernel has no global expedited membarrier");
	here = opt.cpus.cpu[0];
	there = opt.cpus.cpu[1];
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap: %m");
	pin(here);

	printf("%-21s %8s %10s\n", "case", "calls", "interrupts");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		long count = interrupts_of_calls(cases[i].fn);
		/*
		 * A kernel thread may still come between now and then, and there are
		 * other reasons to interrupt a CPU.
		 */
		bool few = count < opt.ops - opt.ops / 10;
		bool many = count > opt.ops / 10;
		const char *verdict = "";

		if (cases[i].interrupts && few)
			verdict = "  too few";
		else if (!cases[i].interrupts && many)
			verdict = "  too many";
		printf("%-21s %8ld %10ld%s\n", cases[i].name, opt.ops, count, verdict);
		fflush(stdout);
		if (*verdict)
			status = EXIT_FAILED;
	}
	return status;
}

static int helper(int argc, char **argv)
{
	(void)argv;
	return argc == 1 ? EXIT_OK : EXIT_FAILED;
}

WORKLOAD(membarrier) = {
	.desc	= "counts the interrupts of expedited membarriers to a thread in user mode",
	.kind	= TOOL,
	.ops	= 200,
	.run	= run_cases,
	.helper	= helper,
};
