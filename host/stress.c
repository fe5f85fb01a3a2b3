// SPDX-License-Identifier: GPL-2.0
/*
 * Threads as CPUs do at random, and at the same time, everything that the kernel does with
 * borrowed mms and walks of page tables. When the time is over all tasks end. Then each mm
 * must have been freed once, and the counters must add up.
 */
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

#define NR_ACTORS	12
#define REGISTERED	3

/* -- tasks ----------------------------------------------------------------- */

enum state {
	KERNEL,		/* a kernel thread, or what is left of a user task */
	USER,		/* has an mm */
	USING,		/* a kernel thread in kthread_use_mm() */
};

/*
 * A task. Another CPU may change it only after it has claimed the task and the task is on
 * no CPU.
 */
struct actor {
	struct task_struct task;
	enum state state;
	int claimed;
} __attribute__((aligned(2 * SMP_CACHE_BYTES)));

static struct actor actors[NR_ACTORS], idle[NR_CPUS];
static int nr_cpus = 4;
static bool stop;

static struct actor *this_actor(void)
{
	return container_of(current, struct actor, task);
}

static bool claim(struct actor *actor)
{
	return !__atomic_exchange_n(&actor->claimed, 1, __ATOMIC_ACQUIRE);
}

static void unclaim(struct actor *actor)
{
	__atomic_store_n(&actor->claimed, 0, __ATOMIC_RELEASE);
}

static bool runs(struct actor *actor)
{
	return mem_load(&actor->task.on_cpu, sizeof(int), MEM_ORDERED);
}

static __thread u64 random_state;
static u64 seed;

static unsigned int below(unsigned int n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned int)(random_state >> 32) % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

/* -- locks of the test's own ----------------------------------------------- */

/* With interrupts off, so that no interrupt comes while a CPU holds it. */
static void lock(int *lock)
{
	local_irq_disable();
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

/* A release and no full barrier, which could hide one that is missing in our code. */
static void unlock(int *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
	local_irq_enable();
}

/* -- mms that every CPU can find ------------------------------------------- */

static struct mm_struct *registered[REGISTERED];
static int registered_lock;

static struct mm_struct *exchange_registered(int i, struct mm_struct *mm)
{
	struct mm_struct *old;

	lock(&registered_lock);
	old = registered[i];
	registered[i] = mm;
	unlock(&registered_lock);
	return old;
}

/* As mmget() of a process found by its number. */
static struct mm_struct *find_mm(void)
{
	struct mm_struct *mm;

	lock(&registered_lock);
	mm = registered[below(REGISTERED)];
	if (mm)
		atomic_inc(&mm->mm_users);
	unlock(&registered_lock);
	return mm;
}

/* Half of the time without a last flush, as if it had reached no CPU: KVM's may not. */
static void put_mm(struct mm_struct *mm)
{
	if (one_in(2))
		mmput(mm);
	else if (atomic_dec_and_test(&mm->mm_users))
		mmdrop(mm);
}

static void register_mm(void)
{
	struct mm_struct *mm = current->mm;

	atomic_inc(&mm->mm_users);
	mm = exchange_registered((int)below(REGISTERED), mm);
	if (mm)
		put_mm(mm);
}

/* -- tables ---------------------------------------------------------------- */

/*
 * A queue of the free tables. Table 0, which each mm begins with, is never taken out of
 * one.
 */
static unsigned int pool[SHIM_TABLES];
static unsigned int pool_in, pool_out;
static int pool_lock;

static void put_table(unsigned int table)
{
	if (table)
		pool[pool_in++ % SHIM_TABLES] = table;
}

static void free_tables_of(struct mm_struct *mm)
{
	lock(&pool_lock);
	put_table(mm->table);
	unlock(&pool_lock);
}

static void take_table_out(struct mm_struct *mm)
{
	unsigned int old, new;

	lock(&pool_lock);
	if (pool_in == pool_out) {
		unlock(&pool_lock);
		return;
	}
	new = pool[pool_out++ % SHIM_TABLES];
	old = READ_ONCE(mm->table);
	WRITE_ONCE(shim_table[new], 0);
	table_sync_changed();
	smp_store_release(&mm->table, new);
	unlock(&pool_lock);

	if (one_in(2))
		flush_tlb_mm(mm, one_in(2));
	tlb_remove_table_sync_mm(mm, one_in(2) ? TABLE_SYNC_CAN_SLEEP : 0);
	if (!old)
		return;

	reuse_table(old);
	lock(&pool_lock);
	put_table(old);
	unlock(&pool_lock);
}

/* After interrupts were enabled: sometimes waits for some to come. */
static void during_open(void)
{
	for (unsigned int i = one_in(32) ? below(20) : 0; i; i--)
		shim_relax(i);
}

/* Makes a walk last, and sometimes has an NMI walk inside of it. */
static void during_walk(void)
{
	static __thread bool nested;

	if (nested)
		return;
	nested = true;
	if (one_in(8))
		shim_nmi(perf_walk);
	if (one_in(16))
		sched_yield();
	for (unsigned int i = one_in(4) ? below(1000) : 0; i; i--)
		__asm__ volatile("");
	nested = false;
}

/* -- actions --------------------------------------------------------------- */

static void switch_to(struct actor *next)
{
	struct actor *prev = this_actor();

	/* A CPU that claims @prev now waits until it is off this CPU. */
	if (prev >= actors && prev < actors + NR_ACTORS)
		unclaim(prev);
	context_switch(&next->task);
}

static void switch_somewhere(void)
{
	struct actor *next = &actors[below(NR_ACTORS)];

	if (one_in(3) || !claim(next))
		next = &idle[shim_this_cpu];
	if (next != this_actor())
		switch_to(next);
}

static void get_mm(void)
{
	exec_mmap(mm_alloc());
	this_actor()->state = USER;
}

static void give_mm_up(void)
{
	struct mm_struct *mm = current->mm;

	if (this_actor()->state == USING) {
		kthread_unuse_mm(mm);
		put_mm(mm);
	} else if (this_actor()->state == USER) {
		atomic_inc(&mm->mm_users);
		exit_mm();
		put_mm(mm);
	}
	this_actor()->state = KERNEL;
}

static void use_mm(void)
{
	struct mm_struct *mm = find_mm();

	if (!mm)
		return;
	kthread_use_mm(mm);
	this_actor()->state = USING;
}

/* Another task gets the current task's mm. */
static void clone_task(void)
{
	struct actor *child = &actors[below(NR_ACTORS)];

	if (!claim(child))
		return;
	if (!runs(child) && child->state == KERNEL) {
		atomic_inc(&current->mm->mm_users);
		child->task.active_mm = current->mm;
		WRITE_ONCE(child->task.mm, current->mm);
		child->state = USER;
	}
	unclaim(child);
}

static void user_mode(void)
{
	user_enter();
	for (unsigned int i = below(20); i; i--)
		shim_relax(i);
	user_exit();
}

static void work_on_foreign_mm(void)
{
	struct mm_struct *mm = find_mm();

	if (!mm)
		return;
	if (one_in(2))
		take_table_out(mm);
	else
		marked_walk(mm);
	put_mm(mm);
}

static void flush(void)
{
	flush_tlb_mm(current->mm, one_in(2));
}

static void take_own_table_out(void)
{
	take_table_out(current->mm);
}

static void run_work(void)
{
	shim_run_work();
}

static void change_scheme(void)
{
	static const enum lazy_tlb_scheme schemes[] = {
		LAZY_TLB_HAZARD, LAZY_TLB_HAZARD, LAZY_TLB_HAZARD, LAZY_TLB_SHOOTDOWN,
		LAZY_TLB_SHOOTDOWN, LAZY_TLB_REFCOUNT, LAZY_TLB_REFCOUNT, LAZY_TLB_NONE,
	};

	lazy_tlb_set_scheme(schemes[below(sizeof(schemes) / sizeof(schemes[0]))]);
}

static void change_mode(void)
{
	table_sync_set_mode(below(TABLE_SYNC_NONE));
}

/* Interrupts are off, so no interrupt can take the active mm away meanwhile. */
static void touch(void)
{
	struct mm_struct *mm;

	local_irq_disable();
	mm = current->active_mm;
	WARN(mm->freed, "active_mm %p has been freed", (void *)mm);
	local_irq_enable();
}

/* -- CPUs that come and go ------------------------------------------------- */

static int hotplug_busy, go_down[NR_CPUS], go_up[NR_CPUS];

static bool is_set(void *flag)
{
	return __atomic_load_n((int *)flag, __ATOMIC_ACQUIRE);
}

static bool is_online(void *cpu)
{
	return mem_load(&shim_online.bits[0], sizeof(long), MEM_ORDERED) >> *(int *)cpu & 1;
}

static void hotplug_a_cpu(void)
{
	int cpu = (int)below((unsigned int)nr_cpus);

	/* One at a time, and no waiting: a CPU that waits here would not see go_down. */
	if (cpu == shim_this_cpu || __atomic_exchange_n(&hotplug_busy, 1, __ATOMIC_SEQ_CST))
		return;
	/* live() goes on until hotplug_busy is 0, so @cpu still answers. */
	if (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&go_down[cpu], 1, __ATOMIC_RELEASE);
		finish_cpu(cpu);
		WARN(READ_ONCE(per_cpu(lazy_tlb_slot.val, cpu)), "CPU %d is offline and borrows", cpu);
		for (unsigned int i = below(1000); i; i--)
			shim_relax(i);
		__atomic_store_n(&go_up[cpu], 1, __ATOMIC_RELEASE);
		shim_wait(is_online, &cpu);
	}
	__atomic_store_n(&hotplug_busy, 0, __ATOMIC_SEQ_CST);
}

static void go_down_and_up(void)
{
	int cpu = shim_this_cpu;

	__atomic_store_n(&go_down[cpu], 0, __ATOMIC_RELAXED);
	if (this_actor() != &idle[cpu])
		switch_to(&idle[cpu]);
	idle_task_exit();
	shim_wait(is_set, &go_up[cpu]);
	__atomic_store_n(&go_up[cpu], 0, __ATOMIC_RELAXED);
	shim_bring_cpu_up();
}

/* -- the life of a CPU ----------------------------------------------------- */

struct action {
	void (*fn)(void);
	unsigned int weight;
	unsigned int states;
};

#define ANY	(1 << KERNEL | 1 << USER | 1 << USING)
#define WITH_MM	(1 << USER | 1 << USING)

static const struct action actions[] = {
	{ switch_somewhere, 300, ANY },
	{ shim_poll, 50, ANY },
	{ touch, 50, ANY },
	{ gup_fast, 100, WITH_MM },
	{ perf_walk, 50, WITH_MM },
	{ user_mode, 50, 1 << USER },
	{ give_mm_up, 80, WITH_MM },
	{ get_mm, 80, 1 << USER | 1 << KERNEL },
	{ clone_task, 80, 1 << USER },
	{ register_mm, 10, 1 << USER },
	{ use_mm, 50, 1 << KERNEL },
	{ work_on_foreign_mm, 20, ANY },
	{ take_own_table_out, 40, WITH_MM },
	{ flush, 10, WITH_MM },
	{ efi_call, 30, ANY },
	{ temporary_mm_call, 30, ANY },
	{ run_work, 300, 1 << KERNEL },
	{ change_scheme, 3, ANY },
	{ change_mode, 1, ANY },
	{ hotplug_a_cpu, 1, ANY },
};

#define NR_ACTIONS (sizeof(actions) / sizeof(actions[0]))

static void do_something(void)
{
	static unsigned int all;
	unsigned int sum = 0, at;

	if (!__atomic_load_n(&all, __ATOMIC_RELAXED)) {
		for (size_t i = 0; i < NR_ACTIONS; i++)
			sum += actions[i].weight;
		__atomic_store_n(&all, sum, __ATOMIC_RELAXED);
	}
	at = below(__atomic_load_n(&all, __ATOMIC_RELAXED));
	for (const struct action *action = actions;; action++) {
		if (at >= action->weight) {
			at -= action->weight;
			continue;
		}
		if (!(action->states >> this_actor()->state & 1))
			return;
		/* The idle task never has an mm. */
		if (this_actor() == &idle[shim_this_cpu] &&
		    (action->fn == get_mm || action->fn == use_mm))
			return;
		action->fn();
		return;
	}
}

static bool all_arrived(void *count)
{
	return __atomic_load_n((int *)count, __ATOMIC_ACQUIRE) == nr_cpus;
}

static void arrive(int *count)
{
	__atomic_add_fetch(count, 1, __ATOMIC_ACQ_REL);
	shim_wait(all_arrived, count);
}

static void end_all_tasks(void)
{
	struct mm_struct *mm;

	for (int i = 0; i < NR_ACTORS; i++) {
		WARN(!claim(&actors[i]), "task %d is still claimed", i);
		switch_to(&actors[i]);
		give_mm_up();
		switch_to(&idle[shim_this_cpu]);
	}
	for (int i = 0; i < REGISTERED; i++) {
		mm = exchange_registered(i, NULL);
		if (mm)
			put_mm(mm);
	}
}

static unsigned long actions_done;

/* Signals stand for NMIs. A thread must get none before it knows which CPU it is. */
static void mask_nmis(int how)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(how, &signals, NULL);
}

static void *live(void *cpu)
{
	static int at_end[4];
	unsigned long n = 0;
	struct mm_struct *active_mm, *lazy;

	shim_this_cpu = (int)(intptr_t)cpu;
	random_state = seed * 0x9e3779b97f4a7c15UL + (u64)shim_this_cpu * 0x632be59bd9b4e019UL + 1;
	set_current(&idle[shim_this_cpu].task);
	shim_until_delay = 1;
	mask_nmis(SIG_UNBLOCK);

	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&hotplug_busy, __ATOMIC_SEQ_CST)) {
		if (is_set(&go_down[shim_this_cpu]))
			go_down_and_up();
		do_something();
		shim_poll();
		n++;
	}

	__atomic_add_fetch(&actions_done, n, __ATOMIC_RELAXED);
	if (this_actor() != &idle[shim_this_cpu])
		switch_to(&idle[shim_this_cpu]);
	arrive(&at_end[0]);
	if (!shim_this_cpu)
		end_all_tasks();
	arrive(&at_end[1]);
	local_irq_disable();
	active_mm = current->active_mm;
	current->active_mm = &init_mm;
	switch_mm_irqs_off(active_mm, &init_mm, current);
	lazy = lazy_tlb_leave(active_mm);
	local_irq_enable();
	lazy_tlb_put(lazy);
	arrive(&at_end[2]);
	if (!shim_this_cpu) {
		while (shim_run_work())
			;
	}
	arrive(&at_end[3]);
	return NULL;
}

/* Runs between any two instructions of the thread. */
static void signal_handler(int unused)
{
	shim_nmi(perf_walk);
}

/* -- the end --------------------------------------------------------------- */

static bool check(bool holds, const char *what, unsigned long a, unsigned long b)
{
	if (!holds)
		fprintf(stderr, "stress: %s: %lu, %lu\n", what, a, b);
	return holds;
}

#define CHECK_EQUAL(a, b) check((a) == (b), #a " is not " #b, a, b)

static bool all_is_well(void)
{
	bool well = shim_mms_are_gone();

	for (int i = 0; i < nr_cpus; i++)
		well &= check(!per_cpu(lazy_tlb_slot.val, i), "a slot is not empty",
			      (unsigned long)i, per_cpu(lazy_tlb_slot.val, i));
	/* Each CPU starts in a kernel thread without an enter. */
	well &= CHECK_EQUAL(shim_lazy_events(LAZY_TLB_EV_LEAVE),
			    shim_lazy_events(LAZY_TLB_EV_ENTER) + (unsigned long)nr_cpus);
	well &= CHECK_EQUAL(shim_lazy_events(LAZY_TLB_EV_FINAL_FREE), shim_mms_freed);
	well &= CHECK_EQUAL(shim_lazy_events(LAZY_TLB_EV_SHOOTDOWN_SENT),
			    shim_lazy_events(LAZY_TLB_EV_SHOOTDOWN_RECEIVED));
	/* Each increment of mm_count has its decrement. */
	well &= CHECK_EQUAL(shim_lazy_events(LAZY_TLB_EV_COUNTED) % 2, 0UL);
	well &= CHECK_EQUAL(shim_sync_events(TABLE_SYNC_EV_ASKED),
			    shim_sync_events(TABLE_SYNC_EV_SKIPPED) +
			    shim_sync_events(TABLE_SYNC_EV_TARGETED) +
			    shim_sync_events(TABLE_SYNC_EV_BROADCAST) +
			    shim_sync_events(TABLE_SYNC_EV_GRACE_PERIOD));
	return well;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: stress [-n CPUS] [-t SECONDS] [-s SEED]\n"
		"Runs the core in threads as CPUs, each of which takes random actions.\n"
		"  -n CPUS     2 to %d, default 4\n"
		"  -t SECONDS  default 5\n"
		"  -s SEED     the same choices again, but not the same timing\n"
		"Prints the seed and the counters. A failure is printed on stderr, exit status 1;\n"
		"exit status 2: wrong use, or no threads.\n", NR_CPUS);
}

static int wrong_use(const char *what, const char *value)
{
	fprintf(stderr, "stress: %s '%s'\n", what, value);
	usage(stderr);
	return 2;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	pthread_t thread[NR_CPUS];
	double seconds = 5, start;
	char *end;
	int opt;

	initcall_lazy_tlb_shoot_init();
	seed = (u64)time(NULL) ^ (u64)getpid() << 32;
	while ((opt = getopt(argc, argv, "hn:t:s:")) != -1) {
		switch (opt) {
		case 'h':
			usage(stdout);
			return 0;
		case 'n':
			nr_cpus = (int)strtol(optarg, &end, 10);
			if (*end || nr_cpus < 2 || nr_cpus > NR_CPUS)
				return wrong_use("not a number of CPUs:", optarg);
			break;
		case 't':
			seconds = strtod(optarg, &end);
			if (*end || !(seconds > 0 && seconds < 1e6))
				return wrong_use("not a number of seconds:", optarg);
			break;
		case 's':
			seed = strtoull(optarg, &end, 0);
			if (*end || !*optarg)
				return wrong_use("not a seed:", optarg);
			break;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc)
		return wrong_use("not an option:", argv[optind]);

	printf("seed %#lx, %d CPUs, %g seconds\n", seed, nr_cpus, seconds);
	fflush(stdout);
	shim_possible.bits[0] = shim_online.bits[0] = (1UL << nr_cpus) - 1;
	/* Every fourth seed is a guest whose hypervisor has preempted all other CPUs. */
	shim_flush_passes_over = !(seed % 4);
	shim_flush_waits = !shim_flush_passes_over;
	initcall_table_sync_init();
	shim_walk_hook = during_walk;
	shim_open_hook = during_open;
	shim_free_hook = free_tables_of;
	for (unsigned int i = 1; i < SHIM_TABLES; i++)
		put_table(i);
	for (int i = 0; i < NR_ACTORS; i++)
		actors[i].task.comm = "task";
	for (int i = 0; i < nr_cpus; i++) {
		idle[i].task.comm = "idle";
		start_context(i, i % 2);
		start_task(i, &idle[i].task);
	}
	/* The first mm_alloc() computes the layout, which is not for threads. */
	mmdrop(mm_alloc());
	signal(SIGUSR1, signal_handler);
	mask_nmis(SIG_BLOCK);

	start = now();
	for (int i = 0; i < nr_cpus; i++)
		if (pthread_create(&thread[i], NULL, live, (void *)(intptr_t)i)) {
			fprintf(stderr, "stress: can't start thread %d\n", i);
			return 2;
		}
	random_state = seed | 1;
	while (now() - start < seconds) {
		usleep(50 + below(200));
		pthread_kill(thread[below((unsigned int)nr_cpus)], SIGUSR1);
	}
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	for (int i = 0; i < nr_cpus; i++)
		pthread_join(thread[i], NULL);

	printf("%lu actions, %lu mms; enter %lu, handoff %lu, shootdown %lu, with the last flush %lu;\n"
	       "syncs: targeted %lu, broadcast %lu, grace period %lu, skipped %lu, spared %lu\n",
	       actions_done, shim_mms_freed, shim_lazy_events(LAZY_TLB_EV_ENTER),
	       shim_lazy_events(LAZY_TLB_EV_HANDOFF),
	       shim_lazy_events(LAZY_TLB_EV_SHOOTDOWN_SENT),
	       shim_lazy_events(LAZY_TLB_EV_PIGGYBACK),
	       shim_sync_events(TABLE_SYNC_EV_TARGETED), shim_sync_events(TABLE_SYNC_EV_BROADCAST),
	       shim_sync_events(TABLE_SYNC_EV_GRACE_PERIOD), shim_sync_events(TABLE_SYNC_EV_SKIPPED),
	       shim_sync_events(TABLE_SYNC_EV_SPARED_USER));
	if (!all_is_well())
		return 1;
	printf("no failure\n");
	return 0;
}
