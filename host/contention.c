// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to start and to stop to borrow one mm, on 1 to all cores at once: each
 * scheme, the count as Linux without us does it, and the floor: one store to the CPU's
 * own line and one full barrier. The figures of a round of measurements belong together,
 * so rounds are repeated, not measurements.
 */
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

static struct task_struct user[NR_CPUS], kthread[NR_CPUS];
static struct mm_struct *mm;

/* -- what is measured ---------------------------------------------------------- */

/* The CPU's own; nobody else looks at it. */
static struct {
	unsigned long val;
} __attribute__((aligned(2 * SMP_CACHE_BYTES))) own[NR_CPUS];

static __always_inline void floor_round(struct task_struct *task, struct task_struct *kernel)
{
	WRITE_ONCE(own[smp_processor_id()].val, (unsigned long)task->mm);
	smp_mb();
}

/*
 * Linux without us: grab here, drop in finish_task_switch(). The full barrier that
 * switch_mm_cid() has there, and no more with us, is left out.
 */
static __always_inline void vanilla_round(struct task_struct *task, struct task_struct *kernel)
{
	enter_lazy_tlb(task->active_mm, kernel);
	kernel->active_mm = task->active_mm;
	mmgrab(kernel->active_mm);
	smp_mb__after_atomic();

	switch_mm_irqs_off(kernel->active_mm, task->mm, task);
	mmdrop(kernel->active_mm);
}

static __always_inline void scheme_round(struct task_struct *task, struct task_struct *kernel)
{
	kernel->active_mm = __lazy_tlb_enter(task->active_mm, kernel);

	switch_mm_irqs_off(kernel->active_mm, task->mm, task);
	lazy_tlb_put(__lazy_tlb_leave(kernel->active_mm));
}

/* Without a call for each. */
#define MANY 100
#define MANY_OF(round)								\
static void many_##round(struct task_struct *task, struct task_struct *kernel)	\
{										\
	for (int i = 0; i < MANY; i++)						\
		round(task, kernel);						\
}

MANY_OF(floor_round)
MANY_OF(vanilla_round)
MANY_OF(scheme_round)

static const struct way {
	const char *name;
	void (*many)(struct task_struct *task, struct task_struct *kernel);
	enum lazy_tlb_scheme scheme;
} ways[] = {
	{ "floor", many_floor_round },
	{ "vanilla", many_vanilla_round },
	{ "refcount", many_scheme_round, LAZY_TLB_REFCOUNT },
	{ "hazard", many_scheme_round, LAZY_TLB_HAZARD },
	{ "shootdown", many_scheme_round, LAZY_TLB_SHOOTDOWN },
	{ "none", many_scheme_round, LAZY_TLB_NONE },
};

enum { FLOOR, VANILLA, NR_WAYS = sizeof(ways) / sizeof(ways[0]) };

/* -- measuring ----------------------------------------------------------------- */

static const struct way *way;
static int nr_threads, ready;
static bool started, stopped;
static unsigned long ns_of_each = 20000000;

struct job {
	pthread_t thread;
	int index, cpu;
	double ns;
};

/* That this thread has run. */
static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *work(void *arg)
{
	struct job *job = arg;
	struct task_struct *task = &user[job->index], *kernel = &kthread[job->index];
	unsigned long rounds = 0;
	cpu_set_t set;
	double start;

	CPU_ZERO(&set);
	CPU_SET(job->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("contention: sched_setaffinity");
		exit(2);
	}
	shim_this_cpu = job->index;
	preempt_disable();
	switch_mm_irqs_off(&init_mm, mm, task);
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE))
		;
	start = now_ns();
	do {
		way->many(task, kernel);
		rounds += MANY;
	} while (!__atomic_load_n(&stopped, __ATOMIC_RELAXED));
	job->ns = (now_ns() - start) / (double)rounds;
	preempt_enable();
	return NULL;
}

/* The mean of the threads. */
static double measure(struct job *jobs)
{
	struct timespec length = { .tv_nsec = (long)ns_of_each };
	double sum = 0;

	ready = started = stopped = false;
	lazy_tlb_set_scheme(way->scheme);
	for (int i = 0; i < nr_threads; i++)
		if (pthread_create(&jobs[i].thread, NULL, work, &jobs[i])) {
			fprintf(stderr, "contention: can't start a thread\n");
			exit(2);
		}
	while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < nr_threads)
		sched_yield();
	__atomic_store_n(&started, true, __ATOMIC_RELEASE);
	nanosleep(&length, NULL);
	__atomic_store_n(&stopped, true, __ATOMIC_RELAXED);
	for (int i = 0; i < nr_threads; i++) {
		pthread_join(jobs[i].thread, NULL);
		sum += jobs[i].ns;
	}
	return sum / nr_threads;
}

/* -- the table ----------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const double *sorted, int n, double q)
{
	double at = q * (n - 1);
	int i = (int)at;

	return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

/* The median of the ratios of each round, not the ratio of medians. */
static double ratio(double (*ns)[NR_WAYS], int rounds, int of, int to)
{
	double *r = malloc((size_t)rounds * sizeof(*r)), median;

	for (int i = 0; i < rounds; i++)
		r[i] = ns[i][of] / ns[i][to];
	qsort(r, (size_t)rounds, sizeof(*r), compare);
	median = quantile(r, rounds, 0.5);
	free(r);
	return median;
}

static void print_rows(double (*ns)[NR_WAYS], int rounds)
{
	double *sorted = malloc((size_t)rounds * sizeof(*sorted));

	for (int w = 0; w < NR_WAYS; w++) {
		for (int i = 0; i < rounds; i++)
			sorted[i] = ns[i][w];
		qsort(sorted, (size_t)rounds, sizeof(*sorted), compare);
		printf("%d\t%s\t%.1f\t%.1f\t%.1f\t%.2f\t%.3f\n", nr_threads, ways[w].name,
		       quantile(sorted, rounds, 0.5), quantile(sorted, rounds, 0.25),
		       quantile(sorted, rounds, 0.75), ratio(ns, rounds, w, FLOOR),
		       ratio(ns, rounds, w, VANILLA));
	}
	free(sorted);
	fflush(stdout);
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: contention [-n THREADS] [-r ROUNDS] [-m MILLISECONDS]\n"
		"How many nanoseconds a thread needs to borrow an mm and to give it back, if 1 to\n"
		"THREADS threads (one for each core, at most %d), pinned to cores, do so with the\n"
		"same mm. Each way is measured for some milliseconds (20) in each of some rounds (15).\n"
		"A table with tabs: the median and quartiles of the rounds; the last two columns are\n"
		"the median ratios to the floor (one local store, one full barrier) and to the count\n"
		"of Linux without lazymm. A switch of page tables, which 'none' does twice, is a\n"
		"store and a barrier here.\n", NR_CPUS);
}

static int number(const char *text, int min, int max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < min || n > max) {
		fprintf(stderr, "contention: '%s' is not a number from %d to %d\n", text, min, max);
		usage(stderr);
		exit(2);
	}
	return (int)n;
}

int main(int argc, char **argv)
{
	struct job jobs[NR_CPUS] = { 0 };
	int threads = 0, wanted = NR_CPUS, rounds = 15, opt;
	double (*ns)[NR_WAYS];
	cpu_set_t allowed;

	while ((opt = getopt(argc, argv, "hn:r:m:")) != -1) {
		switch (opt) {
		case 'h':
			usage(stdout);
			return 0;
		case 'n':
			wanted = number(optarg, 1, NR_CPUS);
			break;
		case 'r':
			rounds = number(optarg, 1, 10000);
			break;
		case 'm':
			ns_of_each = (unsigned long)number(optarg, 1, 999) * 1000000;
			break;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "contention: '%s' is not an option\n", argv[optind]);
		usage(stderr);
		return 2;
	}

	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE && threads < wanted; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		jobs[threads].index = threads;
		jobs[threads++].cpu = cpu;
	}

	shim_possible.bits[0] = shim_online.bits[0] = (1UL << threads) - 1;
	mm = mm_alloc();
	for (int i = 0; i < threads; i++)
		user[i].mm = user[i].active_mm = mm;
	ns = malloc((size_t)rounds * sizeof(*ns));
	if (!ns) {
		fprintf(stderr, "contention: out of memory\n");
		return 2;
	}

	printf("threads\tscheme\tns_median\tns_q1\tns_q3\tratio_to_floor\tratio_to_vanilla\n");
	for (nr_threads = 1; nr_threads <= threads; nr_threads++) {
		for (int i = 0; i < rounds; i++) {
			for (int w = 0; w < NR_WAYS; w++) {
				way = &ways[w];
				ns[i][w] = measure(jobs);
			}
		}
		print_rows(ns, rounds);
	}
	free(ns);
	mmdrop(mm);
	return !shim_mms_are_gone();
}
