/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as our files need, in user space. The compiler includes it before
 * everything else (-include); the headers that our files name are empty.
 *
 * Each access to memory that CPUs share goes through one of the mem_*() operations of
 * mem_native.h (a thread is a CPU, the machine orders accesses) or mem_explore.h (a
 * coroutine is a CPU, the explorer orders them). The kernel functions that the hooks
 * change are modelled in hooks.c.
 */
#ifndef SHIM_KERNEL_H
#define SHIM_KERNEL_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/types.h>

/* -- the language ---------------------------------------------------------- */

typedef uint64_t u64;
typedef uint32_t u32;

#undef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#define noinline		__attribute__((noinline))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define __init
#define __initdata
#define __percpu
#define __ro_after_init
#define __read_mostly
#define SMP_CACHE_BYTES		64
#define ____cacheline_aligned_in_smp __attribute__((aligned(SMP_CACHE_BYTES)))
#define EXPORT_SYMBOL_GPL(x)
#define EXPORT_PER_CPU_SYMBOL_GPL(x)
/* param_VALUE() is where a test finds the parameter. */
#define module_param_named(name, value, type, perm) type *param_##value(void) { return &(value); }
/* The ops convert text, which no test gives. */
#define module_param_cb(name, ops, arg, perm)				\
	typeof(arg) param_##name(void) { (void)(ops); return arg; }
#define early_initcall(fn)	int initcall_##fn(void) { return fn(); }
#define ALIGN(x, a)		(((x) + (a) - 1) / (a) * (a))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

struct kernel_param;
struct kernel_param_ops {
	int (*set)(const char *val, const struct kernel_param *kp);
	int (*get)(char *buffer, const struct kernel_param *kp);
};

static inline int param_get_uint(char *buffer, const struct kernel_param *kp)
{
	return -EINVAL;
}

static inline int param_set_uint_minmax(const char *val, const struct kernel_param *kp,
					unsigned int min, unsigned int max)
{
	return -EINVAL;
}

/* 1 if the option is defined as 1, 0 if it is not defined. */
#define SHIM_COMMA_1		0,
#define SHIM_SECOND(a, b, ...)	b
#define SHIM_SET(pair)		SHIM_SECOND(pair 1, 0, 0)
#define SHIM_PASTE(value)	SHIM_SET(SHIM_COMMA_##value)
#define IS_ENABLED(option)	SHIM_PASTE(option)


/* A warning is a failure; native.c and explore.c each have their way to report it. */
void shim_warn(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define WARN(cond, ...) ({						\
	bool __warn = (cond);						\
	if (unlikely(__warn))						\
		shim_warn(__FILE__, __LINE__, __VA_ARGS__);		\
	__warn;								\
})
#define WARN_ONCE(cond, ...)	WARN(cond, __VA_ARGS__)
#define WARN_ON(cond)		WARN(cond, "%s\n", #cond)
#define WARN_ON_ONCE(cond)	WARN_ON(cond)
#define pr_info(...)		((void)0)
#define pr_warn_once(...)	((void)0)

/* -- memory that CPUs share ------------------------------------------------ */

enum mem_order {
	MEM_RELAXED,	/* may come later than accesses to other locations that follow it */
	MEM_ORDERED,	/* a load: acquire; a store: release; otherwise a full barrier */
};

#ifndef NR_CPUS
#define NR_CPUS 8
#endif
#ifndef PERCPU_SIZE
#define PERCPU_SIZE 1024
#endif

#ifdef SHIM_EXPLORE
#include "mem_explore.h"
#else
#include "mem_native.h"
#endif

#define READ_ONCE(x)		((typeof(x))mem_load(&(x), sizeof(x), MEM_RELAXED))
#define WRITE_ONCE(x, v)	mem_store(&(x), (u64)(v), sizeof(x), MEM_RELAXED)
#define smp_load_acquire(p)	((typeof(*(p)))mem_load(p, sizeof(*(p)), MEM_ORDERED))
#define smp_store_release(p, v)	mem_store(p, (u64)(v), sizeof(*(p)), MEM_ORDERED)
#define smp_mb()		mem_fence()
#define smp_rmb()		mem_rmb()
#define smp_wmb()		mem_wmb()
#define smp_mb__after_atomic()	mem_fence_after_atomic()
#define smp_store_mb(x, v)	mem_store_fence(&(x), (u64)(v), sizeof(x))
#define xchg(p, v)		((typeof(*(p)))mem_xchg(p, (u64)(v), sizeof(*(p))))
#define cmpxchg(p, old, new)						\
	((typeof(*(p)))mem_cmpxchg(p, (u64)(old), (u64)(new), sizeof(*(p))))
#define try_cmpxchg(p, oldp, new) ({					\
	typeof(*(p)) __want = *(oldp), __got = cmpxchg(p, __want, new);	\
	*(oldp) = __got;						\
	__got == __want;						\
})
#define data_race(expr)		(expr)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic_long_t;

#define ATOMIC_LONG_INIT(v)	{ v }

static inline int atomic_read(const atomic_t *v)
{
	return (int)mem_load(&v->counter, sizeof(v->counter), MEM_RELAXED);
}

static inline void atomic_set(atomic_t *v, int i)
{
	mem_store(&v->counter, (u64)i, sizeof(v->counter), MEM_RELAXED);
}

static inline void atomic_inc(atomic_t *v)
{
	mem_add_later(&v->counter, 1, sizeof(v->counter));
}

static inline void atomic_dec(atomic_t *v)
{
	mem_add_later(&v->counter, -1, sizeof(v->counter));
}

static inline bool atomic_dec_and_test(atomic_t *v)
{
	return !(int)mem_add(&v->counter, -1, sizeof(v->counter));
}

static inline int atomic_cmpxchg(atomic_t *v, int old, int new)
{
	return (int)mem_cmpxchg(&v->counter, (u64)old, (u64)new, sizeof(v->counter));
}

static inline bool atomic_inc_unless_negative(atomic_t *v)
{
	int c = atomic_read(v), was;

	while (c >= 0) {
		was = atomic_cmpxchg(v, c, c + 1);
		if (was == c)
			return true;
		c = was;
	}
	return false;
}

static inline int atomic_dec_return_release(atomic_t *v)
{
	return (int)mem_add(&v->counter, -1, sizeof(v->counter));
}

static inline void atomic_set_release(atomic_t *v, int i)
{
	mem_store(&v->counter, (u64)i, sizeof(v->counter), MEM_ORDERED);
}

static inline long atomic_long_read(const atomic_long_t *v)
{
	return (long)mem_load(&v->counter, sizeof(v->counter), MEM_RELAXED);
}

static inline long atomic_long_inc_return(atomic_long_t *v)
{
	return (long)mem_add(&v->counter, 1, sizeof(v->counter));
}

/* -- per-CPU variables ----------------------------------------------------- */

/* The linker puts them into one section; each CPU has a copy of it in shim_percpu[]. */
#define SHIM_PERCPU __attribute__((section("percpu"), aligned(SMP_CACHE_BYTES)))
#define DECLARE_PER_CPU(type, name)			extern type name
#define DEFINE_PER_CPU(type, name)			SHIM_PERCPU type name
#define DECLARE_PER_CPU_SHARED_ALIGNED(type, name)	extern type name
#define DEFINE_PER_CPU_SHARED_ALIGNED(type, name)	SHIM_PERCPU type name

extern char __start_percpu[], __stop_percpu[];
extern char shim_percpu[NR_CPUS][PERCPU_SIZE];

#define per_cpu_ptr(p, cpu)						\
	((typeof(p))(shim_percpu[cpu] + ((char *)(p) - __start_percpu)))
#define this_cpu_ptr(p)		per_cpu_ptr(p, smp_processor_id())
#define per_cpu(var, cpu)	(*per_cpu_ptr(&(var), cpu))
#define this_cpu_read(var)	READ_ONCE(per_cpu(var, smp_processor_id()))
#define this_cpu_write(var, v)	WRITE_ONCE(per_cpu(var, smp_processor_id()), v)
#define this_cpu_add(var, n)	(per_cpu(var, smp_processor_id()) += (n))

/* -- sets of CPUs ---------------------------------------------------------- */

struct cpumask {
	unsigned long bits[1];
};

_Static_assert(NR_CPUS <= 64, "a cpumask is one word");

extern struct cpumask shim_possible, shim_online;

#define cpu_online_mask		((const struct cpumask *)&shim_online)
#define to_cpumask(bitmap)	((struct cpumask *)(bitmap))
/* A variable, because layout.c computes the layout for other numbers of CPUs. */
extern unsigned int shim_cpumask_bytes;
#define cpumask_size()		shim_cpumask_bytes

static inline unsigned long cpumask_load(const struct cpumask *mask)
{
	return READ_ONCE(mask->bits[0]);
}

static inline unsigned int cpumask_next_of(int cpu, unsigned long bits)
{
	bits = cpu + 1 < 64 ? bits >> (cpu + 1) << (cpu + 1) : 0;
	return bits ? (unsigned int)__builtin_ctzl(bits) : NR_CPUS;
}

#define for_each_cpu(cpu, mask)						\
	for ((cpu) = cpumask_next_of(-1, cpumask_load(mask)); (cpu) < NR_CPUS; \
	     (cpu) = cpumask_next_of((int)(cpu), cpumask_load(mask)))
/* The possible CPUs don't change while a test runs, so this is no access to shared memory. */
#define for_each_possible_cpu(cpu)					\
	for ((cpu) = cpumask_next_of(-1, shim_possible.bits[0]); (cpu) < NR_CPUS; \
	     (cpu) = cpumask_next_of((int)(cpu), shim_possible.bits[0]))
#define for_each_online_cpu(cpu)	for_each_cpu(cpu, cpu_online_mask)
#define num_online_cpus()		((unsigned int)__builtin_popcountl(mem_peek(shim_online.bits[0])))
#define cpumask_test_cpu(cpu, mask)	(cpumask_load(mask) >> (cpu) & 1)
#define cpumask_empty(mask)		(!cpumask_load(mask))
#define cpumask_clear(mask)		WRITE_ONCE((mask)->bits[0], 0)
#define cpumask_set_cpu(cpu, mask)	mem_or_later(&(mask)->bits[0], 1UL << (cpu))
/* For a mask that no other CPU looks at. */
#define __cpumask_set_cpu(cpu, mask)	((void)((mask)->bits[0] |= 1UL << (cpu)))
#define __cpumask_clear_cpu(cpu, mask)	((void)((mask)->bits[0] &= ~(1UL << (cpu))))
#define cpumask_and(dst, a, b)		((dst)->bits[0] = (a)->bits[0] & mem_peek((b)->bits[0]))
#define cpumask_weight(mask)		((unsigned int)__builtin_popcountl((mask)->bits[0]))

typedef struct cpumask cpumask_var_t[1];
#define this_cpu_cpumask_var_ptr(mask)	(*this_cpu_ptr(&(mask)))
#define zalloc_cpumask_var_node(mask, gfp, node)	((void)(mask), true)

#define BITS_PER_BYTE	8
#define BITS_PER_LONG	64

/* The access is to the word with the bit. */
static inline bool test_bit(unsigned long bit, const unsigned long *bits)
{
	bits += bit / BITS_PER_LONG;
	return mem_load(bits, sizeof(*bits), MEM_RELAXED) >> bit % BITS_PER_LONG & 1;
}

/* -- lock-free lists ------------------------------------------------------- */

struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	struct llist_node *first;
};

#define LLIST_HEAD(name)	struct llist_head name

static inline bool llist_add(struct llist_node *node, struct llist_head *head)
{
	struct llist_node *first = READ_ONCE(head->first);

	do {
		WRITE_ONCE(node->next, first);
	} while (!try_cmpxchg(&head->first, &first, node));
	return !first;
}

#define llist_del_all(head)	xchg(&(head)->first, NULL)
#define llist_next_entry(node, member)					\
	((node) ? container_of(node, struct lazy_tlb, member) : NULL)
#define llist_for_each_entry(pos, node, member)				\
	for ((pos) = llist_next_entry(node, member); (pos);		\
	     (pos) = llist_next_entry((pos)->member.next, member))
#define llist_for_each_entry_safe(pos, n, node, member)			\
	for ((pos) = llist_next_entry(node, member);			\
	     (pos) && ((n) = llist_next_entry((pos)->member.next, member), true); \
	     (pos) = (n))

/* -- tasks and mms --------------------------------------------------------- */

struct mm_struct {
	atomic_t mm_users;
	atomic_t mm_count;
#ifdef CONFIG_MM_KTHREADS
	atomic_t kthreads;
#endif
	/* Stands for the page tables: an index of shim_table[]. */
	unsigned int table;
	atomic_t membarrier_state;
	bool freed;
	/* struct lazy_tlb follows, see lazy_tlb_layout(). */
};

enum {
	MEMBARRIER_STATE_PRIVATE_EXPEDITED_SYNC_CORE = 1,
};

struct task_struct {
	struct mm_struct *mm, *active_mm;
	struct mm_struct *tables_flushed;
	const char *comm;
	int pid;
	int on_cpu;
};

struct rq {
	struct task_struct *curr;
};

extern struct mm_struct init_mm;
extern struct rq shim_rq[NR_CPUS];

#define cpu_rq(cpu)		(&shim_rq[cpu])
#define current			(shim_current())
#define rcu_dereference(p)	READ_ONCE(p)
#define rcu_read_lock()		((void)0)
#define rcu_read_unlock()	((void)0)
void synchronize_rcu(void);

struct task_struct *shim_current(void);

static inline void mmgrab(struct mm_struct *mm)
{
	atomic_inc(&mm->mm_count);
}

void __mmdrop(struct mm_struct *mm);

static inline void mmdrop(struct mm_struct *mm)
{
	if (atomic_dec_and_test(&mm->mm_count))
		__mmdrop(mm);
}

#define mmdrop_sched(mm)	mmdrop(mm)
void sync_core_before_usermode(void);

void switch_mm_irqs_off(struct mm_struct *prev, struct mm_struct *next,
			struct task_struct *tsk);
void enter_lazy_tlb(struct mm_struct *mm, struct task_struct *tsk);
struct mm_struct *arch_lazy_tlb_loaded(unsigned int cpu);
bool arch_table_flush_waits(void);

/* -- interrupts, preemption, work ------------------------------------------ */

typedef bool (*smp_cond_func_t)(int cpu, void *info);
typedef void (*smp_call_func_t)(void *info);

void local_irq_disable(void);
void local_irq_enable(void);
/* They nest here, so nothing has to be saved. */
#define local_irq_save(flags)		do { (flags) = 0; local_irq_disable(); } while (0)
#define local_irq_restore(flags)	do { (void)(flags); local_irq_enable(); } while (0)
bool irqs_disabled(void);
bool in_hardirq(void);
void preempt_disable(void);
void preempt_enable(void);
int preempt_count(void);
#define cond_resched()		((void)0)

void on_each_cpu_mask(const struct cpumask *mask, smp_call_func_t fn, void *info, bool wait);
void on_each_cpu_cond_mask(smp_cond_func_t cond, smp_call_func_t fn, void *info, bool wait,
			   const struct cpumask *mask);
#define on_each_cpu(fn, info, wait)	on_each_cpu_mask(cpu_online_mask, fn, info, wait)
/* No CPU goes offline or comes online while a CPU holds it. */
void cpus_read_lock(void);
void cpus_read_unlock(void);
bool shim_cpus_locked(void);
#define lockdep_assert_cpus_held()	WARN_ON(!shim_cpus_locked())

struct work_struct {
	void (*fn)(struct work_struct *work);
};

#define DECLARE_WORK(name, function)	struct work_struct name = { .fn = function }
#define system_unbound_wq		NULL
struct workqueue_struct {
	int unused;
};

extern struct workqueue_struct shim_workqueue;
#define WQ_UNBOUND		1
#define WQ_MEM_RECLAIM		2
#define alloc_workqueue(name, flags, max)	(&shim_workqueue)
void shim_queue_work(struct work_struct *work);
#define queue_work(wq, work)		((void)(wq), shim_queue_work(work))

struct mutex {
	int locked;
};

#define DEFINE_MUTEX(name)		struct mutex name
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

/* Patched code: all CPUs see a change at the same time, walks may be under way. */
struct static_key {
	int enabled;
};

#define DECLARE_STATIC_KEY_FALSE(name)	extern struct static_key name
#define DEFINE_STATIC_KEY_FALSE(name)	struct static_key name
#define static_branch_unlikely(key)	(mem_load(&(key)->enabled, sizeof(int), MEM_RELAXED) != 0)

static inline void static_branch_set_cpuslocked(struct static_key *key, int enabled)
{
	lockdep_assert_cpus_held();
	mem_xchg(&key->enabled, (u64)enabled, sizeof(int));
}

/* These take the lock, which doesn't nest. */
static inline void static_branch_set(struct static_key *key, int enabled)
{
	WARN_ON(shim_cpus_locked());
	cpus_read_lock();
	static_branch_set_cpuslocked(key, enabled);
	cpus_read_unlock();
}

#define static_branch_enable(key)		static_branch_set(key, 1)
#define static_branch_disable(key)		static_branch_set(key, 0)
#define static_branch_enable_cpuslocked(key)	static_branch_set_cpuslocked(key, 1)
#define static_branch_disable_cpuslocked(key)	static_branch_set_cpuslocked(key, 0)

/* -- nohz_full ------------------------------------------------------------- */

struct shim_context_tracking {
	bool active;
	atomic_t state;
};

DECLARE_PER_CPU(struct shim_context_tracking, context_tracking);

enum {
	CT_STATE_KERNEL	= 0,
	CT_STATE_IDLE	= 1,
	CT_STATE_USER	= 2,
	CT_STATE_GUEST	= 3,
	CT_STATE_MASK	= 3,
	/* RCU's counter is above the state; each change between user mode and kernel adds this. */
	CT_RCU_WATCHING	= 4,
};

bool context_tracking_enabled_cpu(int cpu);
#define context_tracking_enabled()	true

/* -- isolated CPUs: both kinds ------------------------------------------------ */

extern struct cpumask shim_isolated;

#define HK_TYPE_TICK			0
#define cpu_is_isolated(cpu)		((bool)(mem_peek(shim_isolated.bits[0]) >> (cpu) & 1))
#define housekeeping_cpu(cpu, type)	(!cpu_is_isolated(cpu))

/* -- tracing and time ------------------------------------------------------ */

static inline void trace_lazy_tlb_handoff(struct mm_struct *mm, unsigned int cpu) { }
static inline void trace_lazy_tlb_shootdown(unsigned int mms, unsigned int cpus) { }
static inline void trace_lazy_tlb_scheme(int from, int to) { }
static inline void trace_table_sync(struct mm_struct *mm, int mode, unsigned int cpus) { }
static inline void trace_table_sync_mode(int from, int to) { }
#define ktime_get_mono_fast_ns()	((u64)0)
#define NSEC_PER_USEC	1000UL
#define USEC_PER_SEC	1000000UL
/* Of two looks at the clock the second shows a microsecond more. */
u64 local_clock(void);
void cpu_relax(void);
#define udelay(us)			((void)0)

#endif /* SHIM_KERNEL_H */
