// SPDX-License-Identifier: GPL-2.0
/*
 * The driver: lists and runs workloads, and knows none of them. They put
 * themselves into the section "workloads".
 *
 * A workload runs in a child of the process that prints its figures, and all processes that
 * it starts are descendants of that child. So the driver cleans up after a workload that
 * crashes or is interrupted as well, and getrusage() has the sum of all context switches
 * once all descendants are waited for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

extern const struct workload_entry __start_workloads[], __stop_workloads[];

#define for_each_workload(entry) \
	for (entry = __start_workloads; entry < __stop_workloads; entry++)

struct options opt = { .interval_ms = 100 };

/* Gaps of a thread in user mode: of 1 microsecond and more, of 10, ... */
#define GAPS	6

/* Shared by all processes of a run. */
struct figures {
	atomic_long ops;
	atomic_long exits;
	atomic_long processes;
	atomic_long gaps[GAPS];
	atomic_long longest_gap;
};

static struct figures *figures;
static const char *current_name;
static long deadline_ms;

/* -- trouble ---------------------------------------------------------------- */

static void complain(const char *fmt, va_list args)
{
	char line[512];
	int n = 0;

	/* One write(), since many processes may complain at a time. */
	if (current_name)
		n = snprintf(line, sizeof(line), "workload: %s: ", current_name);
	else
		n = snprintf(line, sizeof(line), "workload: ");
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);
	strcat(line, "\n");
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;
}

void warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
}

void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	_exit(EXIT_FAILED);
}

void skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	_exit(EXIT_SKIPPED);
}

/* -- pace and figures ------------------------------------------------------- */

struct pace pace_start(int worker, int nr)
{
	struct pace pace = {
		.share = opt.ops / nr + (worker < opt.ops % nr),
	};

	return pace;
}

bool pace_more(struct pace *pace)
{
	if (opt.seconds ? now_ms() >= deadline_ms : pace->done >= pace->share)
		return false;
	pace->done++;
	atomic_fetch_add_explicit(&figures->ops, 1, memory_order_relaxed);
	return true;
}

void count_exits(long processes, long threads)
{
	atomic_fetch_add(&figures->processes, processes);
	/* A process without other threads is one exit. */
	atomic_fetch_add(&figures->exits, threads);
}

void count_gap(long us)
{
	long longest = atomic_load(&figures->longest_gap), least = 1;

	for (int i = 0; i < GAPS && us >= least; i++, least *= 10)
		atomic_fetch_add(&figures->gaps[i], 1);
	while (us > longest &&
	       !atomic_compare_exchange_weak(&figures->longest_gap, &longest, us))
		;
}

static void print_gaps(void)
{
	long least = 1;

	for (int i = 0; i < GAPS; i++, least *= 10)
		printf("gaps_of_%ldus=%ld\n", least, atomic_load(&figures->gaps[i]));
	printf("longest_gap_us=%ld\n", atomic_load(&figures->longest_gap));
}

/* -- running ---------------------------------------------------------------- */

static void start_run(const struct workload *w)
{
	sigset_t none;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (w->kind == WORK && opt.user_cpus.nr && !fork_child()) {
		pollers_start();
		for (;;)
			pause();
	}
	_exit(w->run() ? EXIT_FAILED : EXIT_OK);
}

/* Wait for the workload. Returns its status, or -1 if a signal told us to stop. */
static int wait_run(pid_t pid, const sigset_t *signals, int *signal)
{
	int status;

	for (;;) {
		/* SIGCHLD also comes for orphans that became our children. */
		pid_t got = waitpid(-1, &status, WNOHANG);

		if (got == pid)
			return status;
		if (got > 0)
			continue;
		*signal = sigwaitinfo(signals, NULL);
		if (*signal > 0 && *signal != SIGCHLD)
			return -1;
	}
}

static int run(const struct workload_entry *entry)
{
	const struct workload *w = entry->workload;
	struct rusage usage;
	sigset_t signals;
	int status, signal = 0, code;
	long start, elapsed;
	pid_t pid;

	figures = mmap(NULL, sizeof(*figures), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (figures == MAP_FAILED)
		die("mmap: %m");

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	/* Processes that the workload leaves behind become children of this one. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);

	if (w->setup)
		w->setup();

	start = now_ms();
	deadline_ms = start + opt.seconds * 1000L;
	pid = fork();
	if (pid < 0)
		warn("fork: %m");
	if (!pid)
		start_run(w);
	if (pid > 0) {
		setpgid(pid, pid);
		status = wait_run(pid, &signals, &signal);
		elapsed = now_ms() - start;
		kill(-pid, SIGKILL);
		while (wait(NULL) > 0 || errno == EINTR)
			;
	}

	code = EXIT_FAILED;
	if (pid > 0 && status == -1) {
		code = 128 + signal;
	} else if (pid > 0) {
		if (WIFEXITED(status))
			code = WEXITSTATUS(status);
		else
			warn("ended by signal %d", WTERMSIG(status));
	}
	if (w->cleanup && w->cleanup() && code == EXIT_OK)
		code = EXIT_FAILED;
	if (code != EXIT_OK)
		return code;

	count_exits(1, 1);
	getrusage(RUSAGE_CHILDREN, &usage);
	printf("workload=%s\ncpus=%d\nops=%ld\nswitches=%ld\n"
	       "exits=%ld\nprocesses=%ld\nelapsed_ms=%ld\n",
	       entry->name, opt.cpus.nr, atomic_load(&figures->ops),
	       usage.ru_nvcsw + usage.ru_nivcsw, atomic_load(&figures->exits),
	       atomic_load(&figures->processes), elapsed);
	if (opt.user_cpus.nr)
		print_gaps();
	return EXIT_OK;
}

/* -- command line ----------------------------------------------------------- */

static void usage(FILE *out)
{
	fputs("usage: workload NAME [-c CPUS] [-n OPS | -t SECONDS] [-i MS] [-u CPUS] [-H]\n"
	      "       workload -l\n"
	      "\n"
	      "Runs one workload and prints its figures as lines of key=value:\n"
	      "  ops         operations done\n"
	      "  switches    context switches of its own tasks\n"
	      "  exits       processes and threads that exited\n"
	      "  processes   processes that exited\n"
	      "  elapsed_ms  time\n"
	      "and with -u\n"
	      "  gaps_of_Nus     how often a thread there did not run for N microseconds or\n"
	      "                  more; on an emulated machine the host does that\n"
	      "  longest_gap_us  the longest time\n"
	      "\n"
	      "  -l          list workloads: name, kind (work, sync, disturb, patch, tool),\n"
	      "              default number of operations, description\n"
	      "  -c CPUS     use these CPUs, as in 0-3,5 (default: all that are online)\n"
	      "  -n OPS      do OPS operations\n"
	      "  -t SECONDS  go on for SECONDS instead\n"
	      "  -i MS       time between two steps of a disturber (default 100)\n"
	      "  -u CPUS     a thread stays on each of these in user mode: kind sync, of the\n"
	      "              process that the kernel waits for; kind work, of another one\n"
	      "  -H          CPUs may go offline meanwhile: use all that are present,\n"
	      "              any other in place of one that is offline\n"
	      "\n"
	      "Exits with 0, 1 if something failed, 2 for wrong usage, 77 if the kernel\n"
	      "or the machine lacks something.\n", out);
}

static int misuse(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	fputs("'workload -h' shows the usage\n", stderr);
	return EXIT_USAGE;
}

static int by_name(const void *a, const void *b)
{
	const struct workload_entry *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int list(void)
{
	static const char *const kinds[] = { "work", "sync", "disturb", "patch", "tool" };
	size_t nr = __stop_workloads - __start_workloads, i;
	const struct workload_entry *sorted[nr];

	for (i = 0; i < nr; i++)
		sorted[i] = __start_workloads + i;
	qsort(sorted, nr, sizeof(sorted[0]), by_name);
	for (i = 0; i < nr; i++)
		printf("%-10s %-8s %6ld  %s\n", sorted[i]->name,
		       kinds[sorted[i]->workload->kind],
		       sorted[i]->workload->ops, sorted[i]->workload->desc);
	return EXIT_OK;
}

/* A whole positive number. */
static long parse_number(const char *text, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < 1 || n > max)
		return -1;
	return n;
}

static const struct workload_entry *find(const char *name, size_t len)
{
	const struct workload_entry *entry;

	for_each_workload(entry)
		if (strlen(entry->name) == len && !strncmp(entry->name, name, len))
			return entry;
	return NULL;
}

/* The workload whose helper this program is called as. */
static const struct workload_entry *called_as_helper(const char *argv0)
{
	static const char suffix[] = "-helper";
	const char *base = strrchr(argv0, '/');
	const struct workload_entry *entry;
	size_t len;

	base = base ? base + 1 : argv0;
	len = strlen(base);
	if (len < sizeof(suffix) || strcmp(base + len - strlen(suffix), suffix))
		return NULL;
	entry = find(base, len - strlen(suffix));
	return entry && entry->workload->helper ? entry : NULL;
}

/* The CPUs asked for or, if @text is NULL, all that this workload can use. */
static int choose_cpus(const struct workload *w, const char *text)
{
	static struct cpu_list usable;
	int i;

	/* Workloads that take CPUs offline, or bear it, may name an offline one. */
	cpu_list_read(&usable, opt.hotplug || w->kind == DISTURB ?
			       "present" : "online");
	if (!text) {
		opt.cpus = usable;
		return 0;
	}
	if (cpu_list_parse(&opt.cpus, text))
		return misuse("'%s' is no list of CPUs such as 0-3,5", text);
	for (i = 0; i < opt.cpus.nr; i++)
		if (!cpu_list_has(&usable, opt.cpus.cpu[i]))
			return misuse("there is no CPU %d, or it is offline",
				      opt.cpus.cpu[i]);
	return 0;
}

int main(int argc, char **argv)
{
	const struct workload_entry *entry = called_as_helper(argc ? argv[0] : "");
	static struct cpu_list online;
	const char *cpus = NULL, *name;
	bool ops_given = false;
	long n;
	int c, err;

	if (entry)
		return entry->workload->helper(argc, argv);

	opterr = 0;
	while ((c = getopt(argc, argv, ":hlc:n:t:i:u:H")) != -1) {
		switch (c) {
		case 'h':
			usage(stdout);
			return EXIT_OK;
		case 'l':
			return list();
		case 'c':
			cpus = optarg;
			break;
		case 'H':
			opt.hotplug = true;
			break;
		case 'n':
		case 't':
		case 'i':
			n = parse_number(optarg, c == 'n' ? LONG_MAX : 1000000);
			if (n < 0)
				return misuse("-%c: '%s' is not a whole number above 0%s",
					      c, optarg,
					      c == 'n' ? "" : ", at most 1000000");
			if (c == 'n') {
				opt.ops = n;
				ops_given = true;
			} else if (c == 't') {
				opt.seconds = n;
			} else {
				opt.interval_ms = n;
			}
			break;
		case 'u':
			cpu_list_read(&online, "online");
			if (cpu_list_parse(&opt.user_cpus, optarg))
				return misuse("-u: '%s' is no list of CPUs such as 0-3,5", optarg);
			for (n = 0; n < opt.user_cpus.nr; n++)
				if (!cpu_list_has(&online, opt.user_cpus.cpu[n]))
					return misuse("-u: CPU %d is not online",
						      opt.user_cpus.cpu[n]);
			break;
		case ':':
			return misuse("-%c needs a value", optopt);
		default:
			return misuse("there is no option -%c", optopt);
		}
	}
	if (ops_given && opt.seconds)
		return misuse("-n and -t exclude each other");
	if (optind == argc)
		return misuse("the name of a workload is missing");
	name = argv[optind++];
	if (optind < argc)
		return misuse("'%s' is one argument too many", argv[optind]);
	entry = find(name, strlen(name));
	if (!entry)
		return misuse("there is no workload '%s'; 'workload -l' lists them", name);

	current_name = name;
	err = choose_cpus(entry->workload, cpus);
	if (err)
		return err;
	if (!ops_given)
		opt.ops = entry->workload->ops;
	if (entry->workload->kind == TOOL)
		return entry->workload->run();
	return run(entry);
}
