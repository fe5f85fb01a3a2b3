// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of borrowing one mm on 1 to all cores at the same time: each scheme, the count of
 * Linux without lazymm, and the floor, which is one store to the CPU's own line and one full
 * barrier. There are two workloads:
 *
 *   enter+leave	what borrows and gives back, and no more. For Linux without lazymm that
 *			is a pair of atomic operations on the count.
 *   switch		what context_switch() and finish_task_switch() execute for it, from a
 *			user task to a kernel thread and back, in their order.
 *   switch+cid		the same in Linux 6.12, which has barriers for concurrency ids in
 *			addition: one on the way back without lazymm, which the atomic
 *			operation of the count saves on the way there; with lazymm one on the
 *			way there, which leave saves on the way back.
 *
 * All ways are measured one after the other for a short time, and that is repeated. A ratio
 * is one of two figures of the same round, so it does not change if the machine becomes
 * slower for a while. A measurement that other processes disturb is made again.
 */
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

static struct task_struct user[NR_CPUS], kthread[NR_CPUS];
static struct mm_struct *mm;

/* The fields of a run queue that the switch accesses. */
static struct run_queue {
	struct task_struct *curr;
	struct mm_struct *prev_mm;
	unsigned long floor;
} __attribute__((aligned(2 * SMP_CACHE_BYTES))) run_queue[NR_CPUS];

/* -- enter+leave ----------------------------------------------------------- */

static __always_inline void floor_round(struct task_struct *task, struct task_struct *kernel)
{
	WRITE_ONCE(run_queue[smp_processor_id()].floor, (unsigned long)task->mm);
	smp_mb();
}

static __always_inline void vanilla_pair(struct task_struct *task, struct task_struct *kernel)
{
	enter_lazy_tlb(task->active_mm, kernel);
	kernel->active_mm = task->active_mm;
	mmgrab(kernel->active_mm);

	switch_mm_irqs_off(kernel->active_mm, task->mm, task);
	mmdrop(kernel->active_mm);
}

static __always_inline void scheme_pair(struct task_struct *task, struct task_struct *kernel)
{
	struct mm_struct *owned;

	kernel->active_mm = __lazy_tlb_enter(task->active_mm, kernel);

	switch_mm_irqs_off(kernel->active_mm, task->mm, task);
	owned = __lazy_tlb_leave(kernel->active_mm);
	if (owned)
		lazy_tlb_finish(owned);
}

/* -- switch: context_switch() and finish_task_switch() ---------------------- */

/*
 * With the barrier that x86 has in switch_mm_irqs_off() before a lazy CPU looks at tlb_gen.
 * The model of that function leaves it out, as our files may not rely on it.
 */
static __always_inline void
switch_mm_of_lazy_cpu(struct mm_struct *active_mm, struct task_struct *task)
{
	switch_mm_irqs_off(active_mm, task->mm, task);
	if (active_mm == task->mm)
		smp_mb();
}

static __always_inline struct mm_struct *take_prev_mm(struct run_queue *rq)
{
	struct mm_struct *prev_mm = READ_ONCE(rq->prev_mm);

	WRITE_ONCE(rq->prev_mm, NULL);
	return prev_mm;
}

static __always_inline void vanilla_finish(struct run_queue *rq, struct task_struct *task)
{
	struct mm_struct *prev_mm = take_prev_mm(rq);

	if (!prev_mm)
		return;
	/* membarrier_mm_sync_core_before_usermode() */
	if (task->mm == prev_mm && unlikely(atomic_read(&prev_mm->membarrier_state) &
					    MEMBARRIER_STATE_PRIVATE_EXPEDITED_SYNC_CORE))
		sync_core_before_usermode();
	mmdrop_sched(prev_mm);
}

static __always_inline void vanilla_round(struct task_struct *task, struct task_struct *kernel,
					  bool cid)
{
	struct run_queue *rq = &run_queue[smp_processor_id()];

	WRITE_ONCE(rq->curr, kernel);
	enter_lazy_tlb(task->active_mm, kernel);
	WRITE_ONCE(kernel->active_mm, task->active_mm);
	mmgrab(task->active_mm);
	if (cid)
		smp_mb__after_atomic();	/* switch_mm_cid(), to kernel */
	vanilla_finish(rq, kernel);

	WRITE_ONCE(rq->curr, task);
	switch_mm_of_lazy_cpu(kernel->active_mm, task);
	WRITE_ONCE(rq->prev_mm, kernel->active_mm);
	WRITE_ONCE(kernel->active_mm, NULL);
	if (cid)
		smp_mb();		/* switch_mm_cid(), to user */
	vanilla_finish(rq, task);
}

static __always_inline void scheme_finish(struct run_queue *rq)
{
	struct mm_struct *prev_mm = take_prev_mm(rq);

	if (prev_mm)
		lazy_tlb_finish(prev_mm);
}

static __always_inline void scheme_round(struct task_struct *task, struct task_struct *kernel,
					 bool cid)
{
	struct run_queue *rq = &run_queue[smp_processor_id()];
	struct mm_struct *active_mm, *owned;

	WRITE_ONCE(rq->curr, kernel);
	WRITE_ONCE(kernel->active_mm, __lazy_tlb_enter(task->active_mm, kernel));
	if (cid)
		smp_mb();		/* switch_mm_cid(), to kernel */
	scheme_finish(rq);

	WRITE_ONCE(rq->curr, task);
	active_mm = READ_ONCE(kernel->active_mm);
	switch_mm_of_lazy_cpu(active_mm, task);
	WRITE_ONCE(kernel->active_mm, NULL);
	owned = __lazy_tlb_leave(active_mm);
	if (owned)
		WRITE_ONCE(rq->prev_mm, owned);
	lazy_tlb_sync_core(active_mm, task->mm);
	scheme_finish(rq);
}

#define WITH_AND_WITHOUT_CID(round)							\
static __always_inline void round##_switch(struct task_struct *task, struct task_struct *kernel) \
{											\
	round##_round(task, kernel, false);						\
}											\
static __always_inline void round##_switch_cid(struct task_struct *task, struct task_struct *kernel) \
{											\
	round##_round(task, kernel, true);						\
}

WITH_AND_WITHOUT_CID(vanilla)
WITH_AND_WITHOUT_CID(scheme)

/* -- what is measured ------------------------------------------------------ */

/* A loop around the inline function, so that no call is measured. */
#define MANY 100
#define MANY_OF(round)								\
static void many_##round(struct task_struct *task, struct task_struct *kernel)	\
{										\
	for (int i = 0; i < MANY; i++)						\
		round(task, kernel);						\
}

typedef void (*many_t)(struct task_struct *task, struct task_struct *kernel);

MANY_OF(floor_round)
MANY_OF(vanilla_pair)
MANY_OF(scheme_pair)
MANY_OF(vanilla_switch)
MANY_OF(scheme_switch)
MANY_OF(vanilla_switch_cid)
MANY_OF(scheme_switch_cid)

static const struct workload {
	const char *name;
	many_t vanilla, scheme;
} workloads[] = {
	{ "enter+leave", many_vanilla_pair, many_scheme_pair },
	{ "switch", many_vanilla_switch, many_scheme_switch },
	{ "switch+cid", many_vanilla_switch_cid, many_scheme_switch_cid },
};

#define NR_WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

enum way {
	FLOOR,
	VANILLA,
	FIRST_SCHEME,
	NR_WAYS = FIRST_SCHEME + LAZY_TLB_NR_SCHEMES,
};

static const char *way_name(int way)
{
	static const struct {
		enum lazy_tlb_scheme scheme;
		const char *name;
	} schemes[] = { LAZY_TLB_SCHEME_NAMES };

	return way == FLOOR ? "floor" : way == VANILLA ? "vanilla" : schemes[way - FIRST_SCHEME].name;
}

/* -- measuring ----------------------------------------------------------------- */

#define MOST_TRIES 20
/* A figure of fewer rounds is none. */
#define LEAST_ROUNDS 5

struct job {
	pthread_t thread;
	int index, cpu;
	/* Of the latest try. */
	double ns, start, share;
};

/* What the threads do next. It changes in meet(), while all threads wait. */
static struct {
	const struct workload *workload;
	struct job *jobs;
	int nr_threads;
	/* NAN: disturbed at each try. */
	double (*ns)[NR_WAYS];
	int rounds;
	double length;
	/* The next measurement; round -1 warms up the cores and counts for nothing. */
	int round, way, tries;
	bool over;
} plan = {
	.rounds = 100,
	.length = 500e3,
};

static double clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void try_once(struct job *job, many_t many)
{
	struct task_struct *task = &user[job->index], *kernel = &kthread[job->index];
	unsigned long rounds = 0;
	double cpu_start, ran, end;

	cpu_start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	job->start = clock_ns(CLOCK_MONOTONIC);
	do {
		for (int i = 0; i < 10; i++)
			many(task, kernel);
		rounds += 10 * MANY;
		end = clock_ns(CLOCK_MONOTONIC);
	} while (end < job->start + plan.length);
	ran = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
	job->ns = ran / (double)rounds;
	job->share = ran / (end - job->start);
}

/*
 * All threads ran at the same time and all the time. If they did not, because the machine
 * did other things, there was less contention than there should be.
 */
static bool undisturbed(void)
{
	double first = plan.jobs[0].start, last = first;

	for (int i = 0; i < plan.nr_threads; i++) {
		const struct job *job = &plan.jobs[i];

		if (job->share < 0.97)
			return false;
		first = job->start < first ? job->start : first;
		last = job->start > last ? job->start : last;
	}
	return last - first < plan.length / 20;
}

/* Takes the figure of the latest try, if it counts, and chooses what is measured next. */
static void go_on(void)
{
	bool good = undisturbed();
	double sum = 0;

	if (!good && ++plan.tries < MOST_TRIES)
		return;
	plan.tries = 0;
	if (plan.round >= 0) {
		for (int i = 0; i < plan.nr_threads; i++)
			sum += plan.jobs[i].ns;
		plan.ns[plan.round][plan.way] = good ? sum / plan.nr_threads : NAN;
	}
	if (++plan.way == NR_WAYS) {
		plan.way = 0;
		plan.over = ++plan.round == plan.rounds;
	}
	if (plan.way >= FIRST_SCHEME)
		lazy_tlb_set_scheme(plan.way - FIRST_SCHEME);
}

/*
 * Waits until all threads are here; the last one chooses what they do next. The others spin,
 * because a thread that yields is often not on its core when they go on.
 */
static void meet(void)
{
	static unsigned long meetings;
	static int arrived;
	unsigned long meeting = __atomic_load_n(&meetings, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == plan.nr_threads) {
		go_on();
		arrived = 0;
		__atomic_store_n(&meetings, meeting + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&meetings, __ATOMIC_ACQUIRE) == meeting)
		;
}

static void *work(void *arg)
{
	struct job *job = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(job->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("contention: sched_setaffinity");
		exit(2);
	}
	shim_this_cpu = job->index;
	preempt_disable();
	switch_mm_irqs_off(&init_mm, mm, &user[job->index]);
	for (meet(); !plan.over; meet())
		try_once(job, plan.way == FLOOR ? many_floor_round :
			      plan.way == VANILLA ? plan.workload->vanilla : plan.workload->scheme);
	switch_mm_irqs_off(mm, &init_mm, NULL);
	preempt_enable();
	return NULL;
}

static void measure(int nr_threads)
{
	plan.nr_threads = nr_threads;
	plan.round = -1;
	plan.over = false;
	for (int i = 0; i < nr_threads; i++)
		if (pthread_create(&plan.jobs[i].thread, NULL, work, &plan.jobs[i])) {
			fprintf(stderr, "contention: can't start a thread\n");
			exit(2);
		}
	for (int i = 0; i < nr_threads; i++)
		pthread_join(plan.jobs[i].thread, NULL);
}

/* -- the table ------------------------------------------------------------- */

struct quartiles {
	double q1, median, q3;
	int rounds;
};

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

/* Of the ratios of each round, which is not the ratio of medians. @to < 0: of the times. */
static struct quartiles quartiles(int of, int to)
{
	double values[plan.rounds];
	int n = 0;

	for (int i = 0; i < plan.rounds; i++) {
		values[n] = to < 0 ? plan.ns[i][of] : plan.ns[i][of] / plan.ns[i][to];
		n += !isnan(values[n]);
	}
	if (n < LEAST_ROUNDS)
		return (struct quartiles) { .rounds = n };
	qsort(values, (size_t)n, sizeof(values[0]), compare);
	return (struct quartiles) { quantile(values, n, 0.25), quantile(values, n, 0.5),
				    quantile(values, n, 0.75), n };
}

/* False if the machine was too busy for a figure. */
static bool print_rows(void)
{
	bool complete = true;

	for (int way = 0; way < NR_WAYS; way++) {
		struct quartiles time = quartiles(way, -1);
		struct quartiles to_floor = quartiles(way, FLOOR);
		struct quartiles to_vanilla = quartiles(way, VANILLA);

		if (to_floor.rounds < LEAST_ROUNDS || to_vanilla.rounds < LEAST_ROUNDS) {
			fprintf(stderr, "contention: no figures of %s with %d threads: other processes disturbed all but %d of %d rounds\n",
				way_name(way), plan.nr_threads,
				to_floor.rounds < to_vanilla.rounds ? to_floor.rounds :
				to_vanilla.rounds, plan.rounds);
			complete = false;
			continue;
		}
		printf("%d\t%s\t%.1f\t%.1f\t%.1f\t%.2f\t%.3f\t%.3f\t%.3f\n",
		       plan.nr_threads, way_name(way), time.median, time.q1, time.q3,
		       to_floor.median, to_vanilla.median, to_vanilla.q1, to_vanilla.q3);
	}
	fflush(stdout);
	return complete;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: contention [-w WORKLOAD] [-n THREADS] [-r ROUNDS] [-t MICROSECONDS]\n"
		"Measures how many nanoseconds a thread needs to borrow an mm and to give it back\n"
		"while 1 to THREADS threads, each pinned to a core, do so with the same mm. Prints a\n"
		"table with tabs: medians and quartiles of the times and of the ratios to the floor\n"
		"(one local store, one full barrier) and to Linux without lazymm. A switch of page\n"
		"tables, which 'none' does twice, is a store and a barrier here.\n"
		"  -w WORKLOAD      enter+leave: what borrows and gives back, no more (default);\n"
		"                   switch: what context_switch() executes for it, with the barrier\n"
		"                   of lazy TLBs; switch+cid: in addition the barriers that Linux\n"
		"                   6.12 has for concurrency ids\n"
		"  -n THREADS       default: a thread for each core, at most %d\n"
		"  -r ROUNDS        a round measures each scheme once, default %d\n"
		"  -t MICROSECONDS  for each scheme in each round, default %.0f\n"
		"A measurement during which a thread did not run all the time is repeated, up to %d\n"
		"times, then left out. Exit status 1: the machine was too busy for some figures;\n"
		"2: wrong use, or the machine refuses what is needed.\n",
		NR_CPUS, plan.rounds, plan.length / 1e3, MOST_TRIES - 1);
}

static const struct workload *find_workload(const char *name)
{
	for (size_t i = 0; i < NR_WORKLOADS; i++)
		if (!strcmp(name, workloads[i].name))
			return &workloads[i];
	fprintf(stderr, "contention: there is no workload '%s'; accepted: enter+leave, switch, switch+cid\n", name);
	exit(2);
}

static int number(const char *text, int min, int max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < min || n > max) {
		fprintf(stderr, "contention: '%s' is not a number from %d to %d\n", text, min, max);
		exit(2);
	}
	return (int)n;
}

/* A job for each core that this process may run on, at most @wanted. */
static int find_cores(struct job *jobs, int wanted)
{
	cpu_set_t allowed;
	int found = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed)) {
		perror("contention: sched_getaffinity");
		exit(2);
	}
	for (int cpu = 0; cpu < CPU_SETSIZE && found < wanted; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		jobs[found].index = found;
		jobs[found++].cpu = cpu;
	}
	return found;
}

int main(int argc, char **argv)
{
	struct job jobs[NR_CPUS] = { 0 };
	int threads, wanted = NR_CPUS, opt;
	bool complete = true;

	plan.workload = &workloads[0];
	while ((opt = getopt(argc, argv, "hw:n:r:t:")) != -1) {
		switch (opt) {
		case 'h':
			usage(stdout);
			return 0;
		case 'w':
			plan.workload = find_workload(optarg);
			break;
		case 'n':
			wanted = number(optarg, 1, NR_CPUS);
			break;
		case 'r':
			plan.rounds = number(optarg, LEAST_ROUNDS, 10000);
			break;
		case 't':
			plan.length = number(optarg, 100, 1000000) * 1e3;
			break;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "contention: unexpected argument '%s'\n", argv[optind]);
		usage(stderr);
		return 2;
	}

	threads = find_cores(jobs, wanted);
	plan.jobs = jobs;
	plan.ns = malloc((size_t)plan.rounds * sizeof(*plan.ns));
	if (!plan.ns) {
		fprintf(stderr, "contention: out of memory\n");
		return 2;
	}
	shim_possible.bits[0] = shim_online.bits[0] = ~0UL >> (64 - threads);
	mm = mm_alloc();
	for (int i = 0; i < threads; i++)
		user[i].mm = user[i].active_mm = mm;

	printf("threads\tscheme\tns_median\tns_q1\tns_q3\tratio_to_floor\t"
	       "ratio_to_vanilla\tratio_to_vanilla_q1\tratio_to_vanilla_q3\n");
	for (int n = 1; n <= threads; n++) {
		measure(n);
		complete &= print_rows();
	}
	free(plan.ns);
	mmdrop(mm);
	return !complete || !shim_mms_are_gone();
}
