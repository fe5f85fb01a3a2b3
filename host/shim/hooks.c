// SPDX-License-Identifier: GPL-2.0
/*
 * A model of the kernel functions that the hooks change: the parts of the context switch,
 * of exit, exec and kernel threads, of TLB flushes and walks of page tables that matter
 * for our files, in the kernel's order of accesses. The architecture is x86.
 * `host/test hooks` compares the list of hooks with this file (hooks.list).
 */
#include "hooks.h"

struct mm_struct init_mm = { .mm_users.counter = 1, .mm_count.counter = 1 };
struct workqueue_struct shim_workqueue;
static struct mm_struct efi_mm = { .mm_users.counter = 1, .mm_count.counter = 1 };
struct rq shim_rq[NR_CPUS];
struct cpumask shim_possible, shim_online, shim_isolated;
unsigned int shim_cpumask_bytes = sizeof(struct cpumask);
char shim_percpu[NR_CPUS][PERCPU_SIZE] __attribute__((aligned(SMP_CACHE_BYTES)));
bool shim_flush_waits, shim_flush_passes_over, shim_weak_switch, shim_contexts;
unsigned int shim_code;
DEFINE_PER_CPU(unsigned int, shim_code_fetched);
DEFINE_PER_CPU(struct shim_context_tracking, context_tracking);

DEFINE_PER_CPU_SHARED_ALIGNED(struct tlb_state, cpu_tlbstate);

struct mm_struct *arch_lazy_tlb_loaded(unsigned int cpu)
{
	return READ_ONCE(per_cpu(cpu_tlbstate.loaded_mm, cpu));
}

bool arch_table_flush_waits(void)
{
	return shim_flush_waits;
}

bool context_tracking_enabled_cpu(int cpu)
{
	return mem_peek(per_cpu(context_tracking, cpu).active);
}

/* -- the life of an mm ----------------------------------------------------- */

struct mm_struct *mm_alloc(void)
{
	static unsigned int size;
	struct mm_struct *mm;

	/* Once, as at the creation of the slab cache. */
	if (!size)
		size = lazy_tlb_layout(sizeof(*mm));
	mm = shim_mm_get_memory(size);
	memset(mm, 0, size);
	mm->mm_users.counter = 1;
	mm->mm_count.counter = 1;
	mm_kthreads_init(mm);
	lazy_tlb_init(mm);
	return mm;
}

void __mmdrop(struct mm_struct *mm)
{
	if (!lazy_tlb_final_drop(mm))
		return;
	shim_mm_free(mm);
}

void mmput(struct mm_struct *mm)
{
	if (atomic_dec_and_test(&mm->mm_users)) {
		flush_tlb_mm(mm, true);
		mmdrop(mm);
	}
}

/* From here on the core runs the code that is in memory. */
static void sync_core(void)
{
	unsigned int code = READ_ONCE(shim_code);

	/* A plain store, so that the explorer makes load and store one step. */
	per_cpu(shim_code_fetched, smp_processor_id()) = code;
}

void sync_core_before_usermode(void)
{
	sync_core();
}

/* -- the page tables that a CPU has loaded --------------------------------- */

/*
 * Without the full barrier of x86 between is_lazy and tlb_gen when a lazy CPU comes back to
 * the mm that it has loaded: our files may not rely on it.
 */
void switch_mm_irqs_off(struct mm_struct *prev, struct mm_struct *next,
			struct task_struct *tsk)
{
	struct tlb_state *tlb = this_cpu_ptr(&cpu_tlbstate);

	WRITE_ONCE(tlb->is_lazy, 0);
	if (READ_ONCE(tlb->loaded_mm) == next)
		return;
	WRITE_ONCE(tlb->loaded_mm, next);
	if (shim_weak_switch)
		return;
	smp_mb();	/* the updates of mm_cpumask() and the write to CR3 */
	sync_core();	/* the write to CR3 */
}

void enter_lazy_tlb(struct mm_struct *mm, struct task_struct *tsk)
{
	if (READ_ONCE(this_cpu_ptr(&cpu_tlbstate)->loaded_mm) != &init_mm)
		WRITE_ONCE(this_cpu_ptr(&cpu_tlbstate)->is_lazy, 1);
}

/* -- translations on CPUs with contexts of their own ------------------------ */

/* Of mm A, the only one with contexts here: pages of its table, and what each CPU has. */
static unsigned int page_at[SHIM_ADDRESSES], page_is_free[3 * SHIM_ADDRESSES];
static unsigned int mm_context[NR_CPUS];
static struct cpumask mm_mask;
static struct cpu_contexts {
	unsigned int last, loaded;
	/* The context of each translation, 0 if there is none. */
	unsigned int context[SHIM_ADDRESSES], page[SHIM_ADDRESSES];
} cpu_contexts[NR_CPUS];

void start_context_of_mm(int cpu, struct mm_struct *mm)
{
	struct cpu_contexts *own = &cpu_contexts[cpu];

	mm_mask.bits[0] |= 1UL << cpu;
	mm_context[cpu] = own->last = 1;
	if (shim_rq[cpu].curr->active_mm == mm)
		own->loaded = 1;
	for (int i = 0; i < SHIM_ADDRESSES; i++) {
		own->context[i] = 1;
		own->page[i] = page_at[i] = (unsigned int)i;
	}
}

/* switch_mm() of loongarch, with interrupts off; its accesses to the CPU's own are no steps. */
static void load_context(void)
{
	int cpu = smp_processor_id();
	struct cpu_contexts *own = &cpu_contexts[cpu];

	if (!shim_contexts)
		return;
	own->loaded = READ_ONCE(mm_context[cpu]);
	if (!own->loaded) {
		own->loaded = ++own->last;
		WRITE_ONCE(mm_context[cpu], own->loaded);
	}
	cpumask_set_cpu(cpu, &mm_mask);
}

void access_page(int address)
{
	struct cpu_contexts *own = &cpu_contexts[smp_processor_id()];

	/* One instruction. */
	local_irq_disable();
	if (own->context[address] != own->loaded) {
		own->page[address] = READ_ONCE(page_at[address]);
		own->context[address] = own->loaded;
	}
	/* An empty entry, which exit_mmap() leaves: the access faults. */
	if (own->page[address] != ~0U && READ_ONCE(page_is_free[own->page[address]]))
		shim_stale_access(address);
	local_irq_enable();
}

/* The loaded context is no longer that of the mm if another CPU has taken it. */
static void flush_context(void *info)
{
	struct cpu_contexts *own = &cpu_contexts[smp_processor_id()];
	unsigned int context = READ_ONCE(mm_context[smp_processor_id()]);

	for (int i = 0; context && i < SHIM_ADDRESSES; i++)
		if (own->context[i] == context)
			own->context[i] = 0;
}

static void flush_contexts(struct mm_struct *mm)
{
	int cpu;

	preempt_disable();
	if (!mm_flush_here_begin(mm)) {
		on_each_cpu_mask(&mm_mask, flush_context, NULL, true);
	} else {
		bool unused = atomic_read(&mm->mm_users) == 0;

		for_each_online_cpu(cpu)
			if ((unused || cpu != smp_processor_id()) && READ_ONCE(mm_context[cpu]))
				WRITE_ONCE(mm_context[cpu], 0);
		mm_flush_here_end(mm);
		flush_context(NULL);
	}
	preempt_enable();
}

void replace_page(struct mm_struct *mm, int address)
{
	unsigned int old = page_at[address];

	WRITE_ONCE(page_at[address], old + SHIM_ADDRESSES);
	flush_contexts(mm);
	WRITE_ONCE(page_is_free[old], 1);
}

void replace_all_pages(struct mm_struct *mm)
{
	for (int i = 0; i < SHIM_ADDRESSES; i++)
		WRITE_ONCE(page_at[i], ~0U);
	flush_contexts(mm);
	for (int i = 0; i < SHIM_ADDRESSES; i++)
		WRITE_ONCE(page_is_free[i], 1);
}

/* -- flushes of x86 ---------------------------------------------------------- */

struct flush {
	struct mm_struct *mm;
	bool freed_tables, anybody;
};

static bool flush_cond(int cpu, void *info)
{
	struct flush *flush = info;

	if (arch_lazy_tlb_loaded((unsigned int)cpu) != flush->mm)
		return false;
	flush->anybody = true;
	return !shim_flush_passes_over &&
	       (flush->freed_tables || !READ_ONCE(per_cpu(cpu_tlbstate.is_lazy, cpu)));
}

static void flush_tlb_func(void *info)
{
	struct tlb_state *tlb = this_cpu_ptr(&cpu_tlbstate);
	struct flush *flush = info;

	if (READ_ONCE(tlb->loaded_mm) == flush->mm && READ_ONCE(tlb->is_lazy)) {
		switch_mm_irqs_off(NULL, &init_mm, NULL);
		lazy_tlb_exit_flush(flush->mm);
	}
}

void flush_tlb_mm(struct mm_struct *mm, bool freed_tables)
{
	struct flush flush = { .mm = mm, .freed_tables = freed_tables };

	preempt_disable();
	smp_mb();	/* the increment of tlb_gen */
	on_each_cpu_cond_mask(flush_cond, flush_tlb_func, &flush, true, cpu_online_mask);
	if (flush.anybody)
		table_sync_flushed(mm, freed_tables);
	preempt_enable();
}

/* powerpc's, on each CPU that a flush interrupts so that it leaves mm_cpumask(). */
static void exit_lazy_flush_tlb(void *info)
{
	struct mm_struct *mm = info;

	if (READ_ONCE(current->mm) != mm)
		lazy_tlb_let_go(mm);
}

static bool has_loaded(int cpu, void *info)
{
	return arch_lazy_tlb_loaded((unsigned int)cpu) == info;
}

void exit_flush_lazy_tlbs(struct mm_struct *mm)
{
	preempt_disable();
	smp_mb();	/* radix__tlb_flush() */
	on_each_cpu_cond_mask(has_loaded, exit_lazy_flush_tlb, mm, true, cpu_online_mask);
	preempt_enable();
}

void radix_mmput(struct mm_struct *mm)
{
	if (!atomic_dec_and_test(&mm->mm_users))
		return;
	if (lazy_tlb_flush_interrupts())
		exit_flush_lazy_tlbs(mm);
	mmdrop(mm);
}

/* -- the switch of tasks --------------------------------------------------- */

static bool is_off_cpu(void *task)
{
	return !mem_load(&((struct task_struct *)task)->on_cpu, sizeof(int), MEM_ORDERED);
}

void start_task(int cpu, struct task_struct *task)
{
	if (shim_rq[cpu].curr)
		shim_rq[cpu].curr->on_cpu = 0;
	shim_rq[cpu].curr = task;
	task->on_cpu = 1;
	task->active_mm = task->mm ? task->mm : &init_mm;
	per_cpu(cpu_tlbstate.loaded_mm, cpu) = task->active_mm;
}

void context_switch(struct task_struct *next)
{
	struct task_struct *prev = current;
	struct mm_struct *lazy = NULL;

	shim_wait(is_off_cpu, next);
	local_irq_disable();
	preempt_disable();
	WRITE_ONCE(next->on_cpu, 1);
	smp_mb();	/* smp_mb__after_spinlock() */
	WRITE_ONCE(cpu_rq(smp_processor_id())->curr, next);

	if (!next->mm) {				/* to kernel */
		if (prev->mm) {				/* from user */
			next->active_mm = __lazy_tlb_enter(prev->active_mm, next);
		} else {
			enter_lazy_tlb(prev->active_mm, next);
			next->active_mm = prev->active_mm;
			prev->active_mm = NULL;
		}
	} else {					/* to user */
		switch_mm_irqs_off(prev->active_mm, next->mm, next);
		if (!prev->mm) {			/* from kernel */
			struct mm_struct *mm = prev->active_mm;

			prev->active_mm = NULL;
			lazy = __lazy_tlb_leave(mm);
			lazy_tlb_sync_core(mm, next->mm);
		}
	}
	set_current(next);

	/* finish_task_switch() */
	smp_store_release(&prev->on_cpu, 0);
	local_irq_enable();
	if (lazy)
		lazy_tlb_finish(lazy);
	preempt_enable();
}

void exit_mm_clear(void)
{
	struct mm_struct *mm = current->mm;

	smp_mb();	/* smp_mb__after_spinlock() */
	local_irq_disable();
	WRITE_ONCE(current->mm, NULL);
	current->active_mm = lazy_tlb_enter(mm, current);
	local_irq_enable();
}

void exit_mm(void)
{
	struct mm_struct *mm = current->mm;

	exit_mm_clear();
	mmput(mm);
}

void exec_mmap(struct mm_struct *mm)
{
	struct mm_struct *old_mm = current->mm, *active_mm, *lazy = NULL;

	/* Interrupts stay off until the page tables are loaded: ARCH_WANT_IRQS_OFF_ACTIVATE_MM. */
	local_irq_disable();
	active_mm = current->active_mm;
	current->active_mm = mm;
	WRITE_ONCE(current->mm, mm);
	switch_mm_irqs_off(active_mm, mm, current);
	if (!old_mm)
		lazy = lazy_tlb_leave(active_mm);
	local_irq_enable();
	if (old_mm)
		mmput(old_mm);
	else
		lazy_tlb_put(lazy);
}

void kthread_use_mm(struct mm_struct *mm)
{
	struct mm_struct *active_mm, *lazy;

	mmgrab(mm);
	mm_kthread_enter(mm);
	local_irq_disable();
	active_mm = current->active_mm;
	current->active_mm = mm;
	WRITE_ONCE(current->mm, mm);
	switch_mm_irqs_off(active_mm, mm, current);
	load_context();
	lazy = lazy_tlb_leave(active_mm);
	local_irq_enable();
	lazy_tlb_put(lazy);
}

void kthread_unuse_mm(struct mm_struct *mm)
{
	smp_mb();	/* smp_mb__after_spinlock() */
	local_irq_disable();
	WRITE_ONCE(current->mm, NULL);
	current->active_mm = lazy_tlb_enter(mm, current);
	local_irq_enable();
	mm_kthread_leave(mm);
	mmdrop(mm);
}

void efi_call(void)
{
	struct mm_struct *prev;

	local_irq_disable();
	prev = current->active_mm;
	current->active_mm = &efi_mm;
	switch_mm_irqs_off(prev, &efi_mm, NULL);
	local_irq_enable();

	local_irq_disable();
	current->active_mm = prev;
	switch_mm_irqs_off(&efi_mm, prev, NULL);
	if (!current->mm)
		enter_lazy_tlb(prev, current);
	local_irq_enable();
}

void temporary_mm_call(void)
{
	struct mm_struct *prev;

	local_irq_disable();
	prev = arch_lazy_tlb_loaded((unsigned int)smp_processor_id());
	switch_mm_irqs_off(NULL, &efi_mm, current);
	local_irq_enable();

	local_irq_disable();
	switch_mm_irqs_off(NULL, prev, current);
	local_irq_enable();
}

void sched_force_init_mm(void)
{
	struct mm_struct *mm = current->active_mm, *lazy;

	if (mm == &init_mm)
		return;
	local_irq_disable();
	current->active_mm = &init_mm;
	switch_mm_irqs_off(mm, &init_mm, current);
	lazy = lazy_tlb_leave(mm);
	local_irq_enable();
	lazy_tlb_put(lazy);
}

void idle_task_exit(void)
{
	shim_take_cpu_down();
	switch_mm_irqs_off(current->active_mm, &init_mm, current);
	smp_store_release(&current->on_cpu, 0);	/* cpuhp_report_idle_dead() */
}

static bool is_offline(void *cpu)
{
	return !(mem_load(&shim_online.bits[0], sizeof(long), MEM_ORDERED) >> *(int *)cpu & 1);
}

void finish_cpu(int cpu)
{
	struct task_struct *idle;
	struct mm_struct *mm;

	shim_wait(is_offline, &cpu);
	idle = shim_rq[cpu].curr;
	shim_wait(is_off_cpu, idle);
	mm = idle->active_mm;
	if (mm != &init_mm)
		idle->active_mm = &init_mm;
	lazy_tlb_leave_dead_cpu((unsigned int)cpu, mm);
	shim_cpu_is_down();
}

/* -- membarrier(2) --------------------------------------------------------- */

static void membarrier_ipi(void *info)
{
	bool *core = info;

	smp_mb();
	if (*core)
		sync_core();
}

void membarrier(bool core)
{
	struct mm_struct *mm = current->mm;
	struct cpumask mask = { };
	int cpu;

	smp_mb();
	for_each_online_cpu(cpu) {
		struct task_struct *curr = READ_ONCE(cpu_rq(cpu)->curr);

		if (cpu != smp_processor_id() && READ_ONCE(curr->mm) == mm)
			__cpumask_set_cpu(cpu, &mask);
	}
	on_each_cpu_mask(&mask, membarrier_ipi, &core, true);
	smp_mb();
}

/* -- page tables ----------------------------------------------------------- */

unsigned int shim_table[SHIM_TABLES];

unsigned int change_table(struct mm_struct *mm)
{
	unsigned int old = mm->table;

	table_sync_changed();
	WRITE_ONCE(mm->table, old + 1);
	return old;
}

void reuse_table(unsigned int table)
{
	WRITE_ONCE(shim_table[table], 1);
}

static void walk(struct mm_struct *mm)
{
	unsigned int table = READ_ONCE(mm->table);

	shim_in_walk();
	if (READ_ONCE(shim_table[table]))
		shim_walk_survived(table);
}

static int sharers;

void share_table(struct mm_struct *a, struct mm_struct *b, unsigned int table)
{
	a->table = b->table = table;
	sharers = 2;
}

struct mmu_gather {
	struct mm_struct *mm;
	bool unshared_tables, fully_unshared_tables, unshared_sync;
};

/* huge_pmd_unshare(): the mm's entry is cleared, the table has one sharer less. */
static void unshare(struct mmu_gather *tlb)
{
	WRITE_ONCE(tlb->mm->table, 0);
	table_sync_changed();
	tlb->unshared_tables = true;
	tlb->unshared_sync = true;
	if (!--sharers)
		tlb->fully_unshared_tables = true;
}

static void tlb_flush_unshared_tables(struct mmu_gather *tlb)
{
	if (tlb->unshared_tables)
		flush_tlb_mm(tlb->mm, true);
	if (tlb->fully_unshared_tables || (tlb->unshared_sync && table_sync_each_sharer()))
		tlb_remove_table_sync_mm(tlb->mm, 0);
}

void unshare_table(struct mm_struct *mm)
{
	struct mmu_gather tlb = { .mm = mm };

	unshare(&tlb);
	tlb_flush_unshared_tables(&tlb);
}

void gup_fast(void)
{
	struct mm_struct *outer;

	local_irq_disable();
	outer = table_walk_begin(current->mm);
	walk(current->mm);
	table_walk_end(outer);
	local_irq_enable();
}

void marked_walk(struct mm_struct *mm)
{
	struct mm_struct *outer;

	local_irq_disable();
	outer = table_walk_mark(mm);
	walk(mm);
	table_walk_unmark(outer);
	local_irq_enable();
}

void perf_walk(void)
{
	struct mm_struct *mm = READ_ONCE(current->mm), *outer;

	/* nmi_uaccess_okay() */
	if (!mm || arch_lazy_tlb_loaded((unsigned int)smp_processor_id()) != mm)
		return;
	outer = table_walk_mark(mm);
	gup_fast();
	table_walk_unmark(outer);
}

void start_context(int cpu, bool active)
{
	per_cpu(context_tracking, cpu).active = active;
	per_cpu(context_tracking, cpu).state.counter = CT_RCU_WATCHING + CT_STATE_KERNEL;
}

/* On a CPU without context tracking the state is updated without order and RCU counts nothing. */
static void change_context(int difference)
{
	struct shim_context_tracking *ct = this_cpu_ptr(&context_tracking);

	if (ct->active)
		mem_add(&ct->state.counter, CT_RCU_WATCHING + difference, sizeof(int));
	else
		mem_add_later(&ct->state.counter, difference, sizeof(int));
}

void user_enter(void)
{
	change_context(CT_STATE_USER - CT_STATE_KERNEL);
}

void user_exit(void)
{
	change_context(CT_STATE_KERNEL - CT_STATE_USER);
}
