// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel does around our files, where the hooks are: the parts of the context
 * switch, of exit, exec and kernel threads, of TLB flushes and walks that matter for
 * them, in the kernel's order of accesses. x86 is the model.
 */
#include "around.h"

struct mm_struct init_mm = { .mm_users.counter = 1, .mm_count.counter = 1 };
static struct mm_struct efi_mm = { .mm_users.counter = 1, .mm_count.counter = 1 };
struct rq shim_rq[NR_CPUS];
struct cpumask shim_possible, shim_online;
unsigned int shim_cpumask_bytes = sizeof(struct cpumask);
char shim_percpu[NR_CPUS][PERCPU_SIZE] __attribute__((aligned(SMP_CACHE_BYTES)));
bool shim_flush_waits;
DEFINE_PER_CPU(struct shim_context_tracking, context_tracking);

DEFINE_PER_CPU_SHARED_ALIGNED(struct tlb_state, cpu_tlbstate);

struct mm_struct *arch_lazy_mm_loaded(unsigned int cpu)
{
	return READ_ONCE(per_cpu(cpu_tlbstate.loaded_mm, cpu));
}

bool arch_table_flush_waits(void)
{
	return shim_flush_waits;
}

bool context_tracking_enabled_cpu(int cpu)
{
	return true;
}

int kstrtobool(const char *text, bool *value)
{
	bool on = !strcmp(text, "on");

	if (!on && strcmp(text, "off"))
		return -EINVAL;
	*value = on;
	return 0;
}

int kstrtou32(const char *text, unsigned int base, u32 *value)
{
	char *end;

	*value = (u32)strtoul(text, &end, (int)base);
	return *text && !*end ? 0 : -EINVAL;
}

/* -- the life of an mm ------------------------------------------------------------ */

struct mm_struct *mm_alloc(void)
{
	static unsigned int size;
	struct mm_struct *mm;

	/* Once, as for the slab cache. */
	if (!size)
		size = lazy_mm_layout(sizeof(*mm));
	mm = shim_mm_get_memory(size);
	memset(mm, 0, size);
	mm->mm_users.counter = 1;
	mm->mm_count.counter = 1;
	lazy_mm_init(mm);
	return mm;
}

void __mmdrop(struct mm_struct *mm)
{
	if (!lazy_mm_final_drop(mm))
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

/* -- page tables loaded --------------------------------------------------------------- */

void switch_mm_irqs_off(struct mm_struct *prev, struct mm_struct *next,
			struct task_struct *tsk)
{
	struct tlb_state *tlb = this_cpu_ptr(&cpu_tlbstate);

	WRITE_ONCE(tlb->is_lazy, 0);
	if (READ_ONCE(tlb->loaded_mm) == next)
		return;
	WRITE_ONCE(tlb->loaded_mm, next);
	smp_mb();	/* mm_cpumask() and CR3 */
}

void enter_lazy_tlb(struct mm_struct *mm, struct task_struct *tsk)
{
	if (READ_ONCE(this_cpu_ptr(&cpu_tlbstate)->loaded_mm) != &init_mm)
		WRITE_ONCE(this_cpu_ptr(&cpu_tlbstate)->is_lazy, 1);
}

struct flush {
	struct mm_struct *mm;
	bool freed_tables;
};

static bool flush_cond(int cpu, void *info)
{
	struct flush *flush = info;

	return arch_lazy_mm_loaded((unsigned int)cpu) == flush->mm &&
	       (flush->freed_tables || !READ_ONCE(per_cpu(cpu_tlbstate.is_lazy, cpu)));
}

static void flush_tlb_func(void *info)
{
	struct tlb_state *tlb = this_cpu_ptr(&cpu_tlbstate);
	struct flush *flush = info;

	if (READ_ONCE(tlb->loaded_mm) == flush->mm && READ_ONCE(tlb->is_lazy)) {
		switch_mm_irqs_off(NULL, &init_mm, NULL);
		lazy_mm_exit_flush(flush->mm);
	}
}

void flush_tlb_mm(struct mm_struct *mm, bool freed_tables)
{
	struct flush flush = { .mm = mm, .freed_tables = freed_tables };

	preempt_disable();
	smp_mb();	/* tlb_gen */
	on_each_cpu_cond_mask(flush_cond, flush_tlb_func, &flush, true, cpu_online_mask);
	preempt_enable();
}

/* -- the switch of tasks ---------------------------------------------------------------- */

/* @pid is 0 while the task runs nowhere, and the CPU's number plus 1 where it does. */
static bool runs_nowhere(void *task)
{
	return !mem_load(&((struct task_struct *)task)->pid, sizeof(int), MEM_ORDERED);
}

void start_task(int cpu, struct task_struct *task)
{
	if (shim_rq[cpu].curr)
		shim_rq[cpu].curr->pid = 0;
	shim_rq[cpu].curr = task;
	task->pid = cpu + 1;
	task->active_mm = task->mm ? task->mm : &init_mm;
	per_cpu(cpu_tlbstate.loaded_mm, cpu) = task->active_mm;
}

void context_switch(struct task_struct *next)
{
	struct task_struct *prev = current;
	struct mm_struct *owned = NULL;

	shim_wait(runs_nowhere, next);
	local_irq_disable();
	preempt_disable();
	WRITE_ONCE(next->pid, smp_processor_id() + 1);
	smp_mb();	/* smp_mb__after_spinlock() */
	WRITE_ONCE(cpu_rq(smp_processor_id())->curr, next);

	if (!next->mm) {				/* to kernel */
		if (prev->mm) {				/* from user */
			next->active_mm = __lazy_mm_enter(prev->active_mm, next);
		} else {
			enter_lazy_tlb(prev->active_mm, next);
			next->active_mm = prev->active_mm;
			prev->active_mm = NULL;
		}
	} else {					/* to user */
		switch_mm_irqs_off(prev->active_mm, next->mm, next);
		if (!prev->mm) {			/* from kernel */
			prev->active_mm = NULL;
			owned = __lazy_mm_leave();
		}
	}
	set_current(next);

	/* finish_task_switch() */
	smp_store_release(&prev->pid, 0);
	local_irq_enable();
	if (owned)
		mmdrop(owned);
	preempt_enable();
}

void exit_mm(void)
{
	struct mm_struct *mm = current->mm;

	smp_mb();	/* smp_mb__after_spinlock() */
	local_irq_disable();
	WRITE_ONCE(current->mm, NULL);
	current->active_mm = lazy_mm_enter(mm, current);
	local_irq_enable();
	mmput(mm);
}

void exec_mmap(struct mm_struct *mm)
{
	struct mm_struct *old_mm = current->mm, *active_mm, *lazy = NULL;

	local_irq_disable();
	if (!old_mm)
		lazy = lazy_mm_evict();
	active_mm = current->active_mm;
	current->active_mm = mm;
	WRITE_ONCE(current->mm, mm);
	/* x86 does not select ARCH_WANT_IRQS_OFF_ACTIVATE_MM. */
	local_irq_enable();
	local_irq_disable();
	switch_mm_irqs_off(active_mm, mm, current);
	local_irq_enable();
	if (old_mm)
		mmput(old_mm);
	else
		lazy_mm_put(lazy);
}

void kthread_use_mm(struct mm_struct *mm)
{
	struct mm_struct *active_mm, *lazy;

	mmgrab(mm);
	smp_mb();	/* smp_mb__after_spinlock() */
	local_irq_disable();
	active_mm = current->active_mm;
	current->active_mm = mm;
	WRITE_ONCE(current->mm, mm);
	switch_mm_irqs_off(active_mm, mm, current);
	lazy = lazy_mm_leave();
	local_irq_enable();
	lazy_mm_put(lazy);
}

void kthread_unuse_mm(struct mm_struct *mm)
{
	smp_mb();	/* smp_mb__after_spinlock() */
	local_irq_disable();
	WRITE_ONCE(current->mm, NULL);
	current->active_mm = lazy_mm_enter(mm, current);
	local_irq_enable();
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

void idle_task_exit(void)
{
	shim_take_cpu_down();
	switch_mm_irqs_off(current->active_mm, &init_mm, current);
	smp_store_release(&current->pid, 0);	/* dead */
}

static bool is_offline(void *cpu)
{
	return !(mem_load(&shim_online.bits[0], sizeof(long), MEM_ORDERED) >> *(int *)cpu & 1);
}

void finish_cpu(int cpu)
{
	struct task_struct *idle;

	shim_wait(is_offline, &cpu);
	idle = shim_rq[cpu].curr;
	shim_wait(runs_nowhere, idle);
	if (idle->active_mm != &init_mm)
		idle->active_mm = &init_mm;
	lazy_mm_leave_dead_cpu((unsigned int)cpu);
}

/* -- page tables ------------------------------------------------------------------------- */

unsigned int shim_table[SHIM_TABLES];

unsigned int change_table(struct mm_struct *mm)
{
	unsigned int old = mm->table;

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
	struct mm_struct *mm = current->mm;

	struct mm_struct *outer;

	/* nmi_uaccess_okay() */
	if (!mm || arch_lazy_mm_loaded((unsigned int)smp_processor_id()) != mm)
		return;
	outer = table_walk_mark(mm);
	gup_fast();
	table_walk_unmark(outer);
}

static void set_context(int state)
{
	mem_xchg(&this_cpu_ptr(&context_tracking)->state.counter, (u64)state, sizeof(int));
}

void user_enter(void)
{
	set_context(CT_STATE_USER);
}

void user_exit(void)
{
	set_context(CT_STATE_KERNEL);
}
