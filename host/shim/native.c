// SPDX-License-Identifier: GPL-2.0
/*
 * Threads as CPUs.
 *
 * A CPU takes its interrupts where the kernel would let them in: when they are enabled, and
 * in every loop that waits. The order between threads is the one that the kernel gives, and
 * no more: an additional barrier would hide one that is missing in our code. So a CPU that
 * has nothing to take only loads a flag.
 */
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>

#include "native.h"

#ifdef CONFIG_LAZY_TLB_STATS
DEFINE_PER_CPU(struct lazy_tlb_stats, lazy_tlb_stats);
#endif
#ifdef CONFIG_TABLE_SYNC_STATS
DEFINE_PER_CPU(struct table_sync_stats, table_sync_stats);
#endif

__thread int shim_this_cpu;
unsigned long shim_interrupts[NR_CPUS];
bool shim_one_thread;
void (*shim_warn_hook)(const char *text);
void (*shim_walk_hook)(void);
void (*shim_irq_hook)(void);
void (*shim_open_hook)(void);
void (*shim_free_hook)(struct mm_struct *mm);

/* A call that one CPU wants of another, and waits for. */
struct call {
	smp_call_func_t fn;
	void *info;
	int busy;
};

struct cpu {
	/* The CPU's own, no other CPU accesses these. */
	struct task_struct *task;
	int irq_off, preempt;
	bool in_irq, in_nmi, cpus_locked;
	/* The latest grace period that this CPU doesn't hold up. */
	unsigned long grace;
	/* A bit for each CPU that has put something into call[]. */
	unsigned long callers;
	struct call call[NR_CPUS];
} __attribute__((aligned(2 * SMP_CACHE_BYTES)));

static struct cpu cpus[NR_CPUS];

static struct cpu *this_cpu(void)
{
	return &cpus[shim_this_cpu];
}

struct task_struct *shim_current(void)
{
	/* start_task() sets only the run queue's; a switch of tasks sets both. */
	return this_cpu()->task ?: shim_rq[shim_this_cpu].curr;
}

void set_current(struct task_struct *task)
{
	this_cpu()->task = task;
}

/* -- failures -------------------------------------------------------------- */

static void give_up(const char *text)
{
	fprintf(stderr, "CPU %d: %s\n", shim_this_cpu, text);
	_exit(EXIT_FAILURE);	/* exit() would destroy what the other threads still use */
}

void shim_warn(const char *file, int line, const char *fmt, ...)
{
	char text[200], where[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text[strcspn(text, "\n")] = '\0';
	if (shim_warn_hook) {
		shim_warn_hook(text);
		return;
	}
	snprintf(where, sizeof(where), "%s:%d: %s", file, line, text);
	give_up(where);
}

void shim_in_walk(void)
{
	if (shim_walk_hook)
		shim_walk_hook();
}

void shim_walk_survived(unsigned int table)
{
	shim_warn(__FILE__, __LINE__, "a walk finds table %u reused", table);
}

void shim_stale_access(int address)
{
	shim_warn(__FILE__, __LINE__, "an access to the page that was at address %d", address);
}

/* -- mms ------------------------------------------------------------------- */

unsigned long shim_mms_made, shim_mms_freed;
struct mm_struct *shim_last_freed;
static unsigned int mm_size;

/* Freed mms that are kept and checked for writes; the sanitizers do that themselves. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEP 0
#else
#define KEEP 256
#endif

#define POISON 0x6b

#if KEEP
static struct mm_struct *kept[KEEP];
static unsigned long nr_kept;
static bool kept_lock;

static bool is_untouched(struct mm_struct *mm)
{
	const unsigned char *byte = (const unsigned char *)mm;

	for (unsigned int i = 0; mm && i < mm_size; i++)
		if (byte[i] != POISON)
			return false;
	return true;
}

static void free_later(struct mm_struct *mm)
{
	struct mm_struct **place, *old;

	memset(mm, POISON, mm_size);
	while (__atomic_test_and_set(&kept_lock, __ATOMIC_ACQUIRE))
		sched_yield();
	place = &kept[nr_kept++ % KEEP];
	old = *place;
	*place = mm;
	__atomic_clear(&kept_lock, __ATOMIC_RELEASE);
	WARN(!is_untouched(old), "mm %p was written to after it was freed", (void *)old);
	free(old);
}

static bool kept_are_untouched(void)
{
	for (int i = 0; i < KEEP; i++) {
		if (is_untouched(kept[i]))
			continue;
		fprintf(stderr, "mm %p was written to after it was freed\n", (void *)kept[i]);
		return false;
	}
	return true;
}
#else
static void free_later(struct mm_struct *mm)
{
	mm->freed = true;
	free(mm);
}

static bool kept_are_untouched(void)
{
	return true;
}
#endif

struct mm_struct *shim_mm_get_memory(unsigned int size)
{
	void *mm = aligned_alloc(SMP_CACHE_BYTES, size);

	if (!mm)
		give_up("out of memory");
	__atomic_store_n(&mm_size, size, __ATOMIC_RELAXED);
	__atomic_add_fetch(&shim_mms_made, 1, __ATOMIC_RELAXED);
	return mm;
}

void shim_mm_free(struct mm_struct *mm)
{
	WARN(mm->freed, "mm %p is freed twice", (void *)mm);
	WARN(READ_ONCE(mm->mm_count.counter), "mm %p is freed with a count of %d",
	     (void *)mm, READ_ONCE(mm->mm_count.counter));
	if (shim_free_hook)
		shim_free_hook(mm);
	__atomic_add_fetch(&shim_mms_freed, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&shim_last_freed, mm, __ATOMIC_RELAXED);
	free_later(mm);
}

bool shim_mms_are_gone(void)
{
	if (shim_mms_made != shim_mms_freed)
		fprintf(stderr, "%lu mms were made, %lu freed\n", shim_mms_made, shim_mms_freed);
	return kept_are_untouched() && shim_mms_made == shim_mms_freed;
}

/* -- interrupts ------------------------------------------------------------ */

static void take_calls(struct cpu *cpu)
{
	unsigned long callers;

	if (!__atomic_load_n(&cpu->callers, __ATOMIC_RELAXED))
		return;
	callers = __atomic_exchange_n(&cpu->callers, 0, __ATOMIC_ACQUIRE);
	cpu->irq_off++;
	cpu->in_irq = true;
	if (shim_irq_hook)
		shim_irq_hook();
	for (; callers; callers &= callers - 1) {
		struct call *call = &cpu->call[__builtin_ctzl(callers)];

		call->fn(call->info);
		__atomic_store_n(&call->busy, 0, __ATOMIC_RELEASE);
	}
	cpu->in_irq = false;
	cpu->irq_off--;
}

static void end_grace(struct cpu *cpu);
static void let_stop(struct cpu *cpu);

void shim_poll(void)
{
	struct cpu *cpu = this_cpu();

	if (cpu->irq_off || cpu->in_nmi)
		return;
	take_calls(cpu);
	if (cpu->preempt)
		return;
	end_grace(cpu);
	let_stop(cpu);
}

void local_irq_disable(void)
{
	this_cpu()->irq_off++;
}

void local_irq_enable(void)
{
	if (--this_cpu()->irq_off)
		return;
	if (shim_open_hook && !this_cpu()->in_nmi)
		shim_open_hook();
	shim_poll();
}

bool irqs_disabled(void)
{
	return this_cpu()->irq_off;
}

bool in_hardirq(void)
{
	return this_cpu()->in_irq;
}

void preempt_disable(void)
{
	this_cpu()->preempt++;
}

void preempt_enable(void)
{
	if (!--this_cpu()->preempt)
		shim_poll();
}

int preempt_count(void)
{
	return this_cpu()->preempt;
}

void shim_nmi(void (*handler)(void))
{
	struct cpu *cpu = this_cpu();

	/* NMIs don't nest; one that comes during another is lost. */
	if (cpu->in_nmi)
		return;
	cpu->in_nmi = true;
	handler();
	cpu->in_nmi = false;
}

#ifdef SHIM_DELAYS
__thread int shim_until_delay;
void (*shim_delay_hook)(void);

void shim_delay(void)
{
	static __thread unsigned int random;

	if (shim_delay_hook) {
		shim_delay_hook();
		return;
	}
	random = random * 1664525 + 1013904223 + (unsigned int)shim_this_cpu;
	shim_until_delay = 1 + (int)(random >> 22) % 512;
	if (random >> 20 & 3) {
		for (unsigned int i = random >> 8 & 255; i; i--)
			__asm__ volatile("");
	} else {
		sched_yield();
	}
}
#endif

/* -- waiting --------------------------------------------------------------- */

void shim_relax(unsigned int turn)
{
	shim_poll();
	/* There may be more CPUs than the machine has. */
	if (turn % 16 == 15)
		sched_yield();
#if defined(__x86_64__)
	else
		__builtin_ia32_pause();
#endif
}

/* With one thread for all CPUs, each takes what is due. Two turns reach everything. */
static void play_all(unsigned int turn)
{
	int me = shim_this_cpu;

	if (turn > 2)
		give_up("waits for ever");
	for (shim_this_cpu = 0; shim_this_cpu < NR_CPUS; shim_this_cpu++)
		if (mem_peek(shim_online.bits[0]) >> shim_this_cpu & 1)
			shim_poll();
	shim_this_cpu = me;
}

void shim_wait(bool (*done)(void *arg), void *arg)
{
	for (unsigned int turn = 0; !done(arg); turn++) {
		if (shim_one_thread)
			play_all(turn);
		else
			shim_relax(turn);
	}
}

/* -- calls on other CPUs --------------------------------------------------- */

static bool call_done(void *call)
{
	return !__atomic_load_n(&((struct call *)call)->busy, __ATOMIC_ACQUIRE);
}

u64 local_clock(void)
{
	static __thread u64 now;

	return now += NSEC_PER_USEC;
}

void (*shim_relax_hook)(void);

void cpu_relax(void)
{
	if (shim_relax_hook)
		shim_relax_hook();
	else
		sched_yield();
}

void on_each_cpu_cond_mask(smp_cond_func_t cond, smp_call_func_t fn, void *info, bool wait,
			   const struct cpumask *mask)
{
	unsigned long online, called = 0;
	int me;

	WARN(irqs_disabled() || !wait, "a call on other CPUs with interrupts disabled");
	preempt_disable();
	me = shim_this_cpu;
	online = mem_peek(mask->bits[0]) & mem_peek(shim_online.bits[0]);
	for (int i = 0; i < NR_CPUS; i++) {
		struct call *call = &cpus[i].call[me];

		if (i == me || !(online >> i & 1) || (cond && !cond(i, info)))
			continue;
		call->fn = fn;
		call->info = info;
		__atomic_store_n(&call->busy, 1, __ATOMIC_RELAXED);
		__atomic_fetch_or(&cpus[i].callers, 1UL << me, __ATOMIC_RELEASE);
		__atomic_add_fetch(&shim_interrupts[i], 1, __ATOMIC_RELAXED);
		called |= 1UL << i;
	}
	if (online >> me & 1 && (!cond || cond(me, info))) {
		local_irq_disable();
		fn(info);
		local_irq_enable();
	}
	for (; called; called &= called - 1)
		shim_wait(call_done, &cpus[__builtin_ctzl(called)].call[me]);
	preempt_enable();
}

void on_each_cpu_mask(const struct cpumask *mask, smp_call_func_t fn, void *info, bool wait)
{
	on_each_cpu_cond_mask(NULL, fn, info, wait, mask);
}

/* -- grace periods: they end when each CPU could have been preempted ------- */

static unsigned long grace_wanted;

static void end_grace(struct cpu *cpu)
{
	unsigned long wanted = __atomic_load_n(&grace_wanted, __ATOMIC_RELAXED);

	if (wanted == cpu->grace)
		return;
	wanted = __atomic_load_n(&grace_wanted, __ATOMIC_ACQUIRE);
	mem_fence();
	__atomic_store_n(&cpu->grace, wanted, __ATOMIC_RELEASE);
	mem_fence();
}

static bool grace_over(void *arg)
{
	unsigned long *wanted = arg;

	for (int i = 0; i < NR_CPUS; i++) {
		if (__atomic_load_n(&cpus[i].grace, __ATOMIC_ACQUIRE) < *wanted &&
		    mem_load(&shim_online.bits[0], sizeof(long), MEM_ORDERED) >> i & 1)
			return false;
	}
	return true;
}

void synchronize_rcu(void)
{
	unsigned long wanted;

	WARN(irqs_disabled() || preempt_count(), "a wait for a grace period with preemption disabled");
	mem_fence();
	wanted = __atomic_add_fetch(&grace_wanted, 1, __ATOMIC_SEQ_CST);
	shim_wait(grace_over, &wanted);
	mem_fence();
}

/* -- taking a CPU down and up: all others stand still ---------------------- */

/* The number of the round is odd while CPUs have to stand still. */
static unsigned long stop_round, stop_arrived;

static void let_stop(struct cpu *cpu)
{
	unsigned long round = __atomic_load_n(&stop_round, __ATOMIC_RELAXED);

	if (!(round & 1))
		return;
	__atomic_fetch_or(&stop_arrived, 1UL << shim_this_cpu, __ATOMIC_SEQ_CST);
	/* CPUs that have not arrived yet may still wait for a call. */
	for (unsigned int turn = 0;
	     __atomic_load_n(&stop_round, __ATOMIC_ACQUIRE) == round; turn++) {
		take_calls(cpu);
		sched_yield();
		if (shim_one_thread)
			return;
	}
}

/*
 * The number of CPUs that hold cpus_read_lock(). A CPU that goes down or comes up
 * subtracts HOTPLUG_WRITER, which is larger than any number of CPUs.
 */
#define HOTPLUG_WRITER	1000
static int hotplug_lock;

static bool take_read_lock(void *unused)
{
	int readers = __atomic_load_n(&hotplug_lock, __ATOMIC_RELAXED);

	return readers >= 0 &&
	       __atomic_compare_exchange_n(&hotplug_lock, &readers, readers + 1, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void cpus_read_lock(void)
{
	WARN(this_cpu()->cpus_locked, "cpus_read_lock() twice");
	shim_wait(take_read_lock, NULL);
	this_cpu()->cpus_locked = true;
}

void cpus_read_unlock(void)
{
	this_cpu()->cpus_locked = false;
	__atomic_sub_fetch(&hotplug_lock, 1, __ATOMIC_RELEASE);
}

bool shim_cpus_locked(void)
{
	return this_cpu()->cpus_locked;
}

static bool no_readers(void *unused)
{
	return __atomic_load_n(&hotplug_lock, __ATOMIC_ACQUIRE) == -HOTPLUG_WRITER;
}

static void cpus_write_lock(void)
{
	__atomic_sub_fetch(&hotplug_lock, HOTPLUG_WRITER, __ATOMIC_ACQUIRE);
	shim_wait(no_readers, NULL);
}

static void cpus_write_unlock(void)
{
	__atomic_add_fetch(&hotplug_lock, HOTPLUG_WRITER, __ATOMIC_RELEASE);
}

void shim_cpu_is_down(void)
{
	cpus_write_unlock();
}

static bool others_stand_still(void *unused)
{
	unsigned long online = mem_load(&shim_online.bits[0], sizeof(long), MEM_ORDERED);
	unsigned long arrived = __atomic_load_n(&stop_arrived, __ATOMIC_ACQUIRE);

	return !(online & ~arrived);
}

void shim_take_cpu_down(void)
{
	cpus_write_lock();
	__atomic_store_n(&stop_arrived, 1UL << shim_this_cpu, __ATOMIC_RELAXED);
	/* So that this CPU doesn't answer its own request. */
	preempt_disable();
	__atomic_add_fetch(&stop_round, 1, __ATOMIC_SEQ_CST);
	shim_wait(others_stand_still, NULL);
	local_irq_disable();
	preempt_enable();
	/* A CPU that stands still doesn't wait for a call. */
	WARN(this_cpu()->callers, "CPU %d goes offline with calls due", shim_this_cpu);
	__atomic_fetch_and(&shim_online.bits[0], ~(1UL << shim_this_cpu), __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&stop_round, 1, __ATOMIC_SEQ_CST);
}

void shim_bring_cpu_up(void)
{
	struct cpu *cpu = this_cpu();

	cpus_write_lock();
	cpu->irq_off = 0;
	cpu->preempt = 0;
	mem_store(&cpu->task->on_cpu, 1, sizeof(int), MEM_ORDERED);
	__atomic_fetch_or(&shim_online.bits[0], 1UL << shim_this_cpu, __ATOMIC_SEQ_CST);
	cpus_write_unlock();
	shim_poll();
}

/* -- mutexes and work ------------------------------------------------------ */

static bool take_mutex(void *mutex)
{
	return !__atomic_exchange_n(&((struct mutex *)mutex)->locked, 1, __ATOMIC_ACQUIRE);
}

void mutex_lock(struct mutex *mutex)
{
	shim_wait(take_mutex, mutex);
}

void mutex_unlock(struct mutex *mutex)
{
	WARN(!__atomic_load_n(&mutex->locked, __ATOMIC_RELAXED),
	     "mutex_unlock() of a mutex that is not locked");
	__atomic_store_n(&mutex->locked, 0, __ATOMIC_RELEASE);
}

/* Our files have one work item, and a work item never runs on two CPUs at the same time. */
static struct work_struct *work_queued;
static int work_running;

void shim_queue_work(struct work_struct *work)
{
	__atomic_store_n(&work_queued, work, __ATOMIC_RELEASE);
}

bool shim_run_work(void)
{
	struct work_struct *work;

	if (!__atomic_load_n(&work_queued, __ATOMIC_RELAXED) ||
	    __atomic_exchange_n(&work_running, 1, __ATOMIC_ACQUIRE))
		return false;
	work = __atomic_exchange_n(&work_queued, NULL, __ATOMIC_ACQUIRE);
	if (work)
		work->fn(work);
	__atomic_store_n(&work_running, 0, __ATOMIC_RELEASE);
	return work;
}

/* -- counters -------------------------------------------------------------- */

#ifdef CONFIG_LAZY_TLB_STATS
#define SUM_OF_CPUS(counter) ({					\
	unsigned long __sum = 0;				\
	unsigned int __cpu;					\
								\
	for_each_possible_cpu(__cpu)				\
		__sum += per_cpu(counter, __cpu);		\
	__sum;							\
})

unsigned long shim_lazy_events(enum lazy_tlb_event ev)
{
	return SUM_OF_CPUS(lazy_tlb_stats.event[ev]);
}

unsigned long shim_sync_events(enum table_sync_event ev)
{
	return SUM_OF_CPUS(table_sync_stats.event[ev]);
}
#endif
