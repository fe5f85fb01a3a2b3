// SPDX-License-Identifier: GPL-2.0
/*
 * Runs our kernel code, unchanged, through every order of its accesses to shared memory.
 *
 * A CPU is a coroutine that stops before each access. From each state the explorer takes
 * every step that is possible: a CPU's next access, an interrupt or NMI on a CPU that can
 * take it, the oldest store to a location leaving a CPU's store buffer. A state is all
 * memory of the program, the live part of the coroutines' stacks, and their registers. A
 * state that was reached before, by a hash of 128 bits, is not continued.
 *
 * An access is no step if its time makes no difference: a load of a location that no other
 * CPU stores to, or a store to a location that no other CPU accesses. The explorer notes
 * which CPU accesses which location, its interrupts and NMIs apart, and starts a setting
 * again at each access that is new. Accesses to the memory of mms are always steps,
 * because an mm may be freed.
 *
 * Stores leave the buffer in any order, with these limits. A store never passes one to the
 * same location. A release leaves after all older stores, and stores after a write barrier
 * leave after those before it. Fences, and atomic operations that return a value, wait
 * until the buffer is empty; a compare-and-exchange only if it stores. Atomic operations
 * that return nothing wait in the buffer as stores do. All this is weaker than x86. Loads
 * happen in program order, so a missing acquire or read barrier is found by other tests:
 * litmus tests, ThreadSanitizer, KCSAN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <xxhash.h>

#include "explore.h"
#include "mm/table_sync.h"

#define STACK_SIZE	(64 * 1024)
#define MAX_STORES	8
#define MAX_MMS		4
#define MM_SIZE		256

/* -- the state: everything static in this file is part of it --------------- */

enum store_kind { STORE_PLAIN, STORE_ADD, STORE_OR };

struct store {
	volatile void *p;
	u64 val;			/* to store, to add, or the bits to set */
	uint8_t size, kind;
	bool release, after_wmb;
};

struct cpu {
	jmp_buf registers;
	char *stack_low;		/* the live part is above */
	/* The step that it is about to take. */
	const char *op;
	const volatile void *op_p;
	u64 op_val;
	bool (*until)(void *arg);	/* the step is possible if this is true */
	void *until_arg;
	bool idle, nmi_taken, wmb;
	int irq_off, preempt;
	bool in_irq, in_nmi;
	unsigned int grace;		/* CPUs that synchronize_rcu() waits for */
	int until_preempted;
	/* Function calls that other CPUs have requested, one of each. */
	struct {
		smp_call_func_t fn;
		void *info;
	} call[MAX_CPUS];
	int nr_stores;
	struct store store[MAX_STORES];
	struct task_struct *task;
};

static struct cpu cpus[MAX_CPUS];
static char mm_memory[MAX_MMS][MM_SIZE] __attribute__((aligned(SMP_CACHE_BYTES)));
static unsigned int nr_mms;
static struct work_struct *work_queued;
static int work_running;
unsigned int uninvolved;

/* -- the explorer's own, not part of the state ----------------------------- */

enum kind { STEP, INTERRUPT, NMI, STORE };

struct transition {
	uint8_t kind, cpu, store;
};

#define MAX_TRANSITIONS (MAX_CPUS * (3 + MAX_STORES))

struct frame {
	char *saved;
	size_t stack_used[MAX_CPUS];
	struct transition next[MAX_TRANSITIONS];
	int nr, done;
	/* The step that led here, for the trace. */
	struct transition by;
	const char *op;
	const volatile void *op_p;
	u64 op_val;
};

struct name {
	const char *start;
	size_t size;
	char text[40];
};

#define MAX_LOCATIONS 256

enum outcome { NOTHING_FOUND, FOUND, AGAIN };

struct explorer {
	const struct scenario *scenario;
	bool started;			/* a violation has steps to print */
	bool running;			/* an access is a step */
	int cpu;
	enum kind resume_for;
	jmp_buf main;
	ucontext_t main_context, start_context;
	char *stack[MAX_CPUS];
	struct frame *frames;
	size_t depth, max_depth, depth_reached;
	u64 (*seen)[2];
	size_t seen_size, seen_used;
	u64 transitions, ends;
	char problem[200];
	/* The current transition, and the step that its CPU was about to take. */
	struct transition by;
	struct {
		const char *op;
		const volatile void *op_p;
		u64 op_val;
	} about;
	bool done;
	/* The locations of this setting, with the contexts that access them, see context(). */
	struct location {
		const volatile void *p;
		uint16_t loads, stores;
	} location[MAX_LOCATIONS];
	int nr_locations;
	bool in_until;
	struct name names[100];
	int nr_names;
	bool verbose;
};

static struct explorer *ex;

extern char __data_start[], _end[];

static noinline void die(const char *text)
{
	fprintf(stderr, "explore: %s\n", text);
	exit(2);
}

static void *get(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("out of memory");
	return p;
}

/* -- names of memory, for the trace ---------------------------------------- */

void name_memory(const void *p, size_t size, const char *fmt, ...)
{
	struct name *name = &ex->names[ex->nr_names++];
	va_list ap;

	if (ex->nr_names > 100)
		die("too many names");
	name->start = p;
	name->size = size;
	va_start(ap, fmt);
	vsnprintf(name->text, sizeof(name->text), fmt, ap);
	va_end(ap);
}

static const char *name_of(const volatile void *p)
{
	const char *c = (const char *)(uintptr_t)p;

	for (int i = 0; i < ex->nr_names; i++)
		if (c >= ex->names[i].start && c < ex->names[i].start + ex->names[i].size)
			return ex->names[i].text;
	return "";
}

static void print_step(size_t i, const struct frame *f)
{
	static const char * const kinds[] = { "", "interrupt, then ", "NMI, then ", "store leaves: " };

	fprintf(stderr, "  %3zu  CPU %d  %s%s %s", i, f->by.cpu, kinds[f->by.kind],
		f->by.kind == STORE ? "" : f->op, name_of(f->op_p));
	if (f->op_val && name_of((void *)f->op_val)[0])
		fprintf(stderr, " %s%s", name_of((void *)(f->op_val & ~1UL)),
			f->op_val & 1 ? "|OWNED" : "");
	else if (f->op_val < 100000)
		fprintf(stderr, " %ld", (long)f->op_val);
	fprintf(stderr, "\n");
}

void violation(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ex->problem, sizeof(ex->problem), fmt, ap);
	va_end(ap);
	if (!ex->started)
		die(ex->problem);
	_longjmp(ex->main, 2);
}

void shim_warn(const char *file, int line, const char *fmt, ...)
{
	char text[120];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	violation("warning: %s", text);
}

/* -- coroutines ------------------------------------------------------------ */

static struct cpu *this_cpu(void)
{
	return &cpus[ex->cpu];
}

int smp_processor_id(void)
{
	return ex->cpu;
}

struct task_struct *shim_current(void)
{
	return this_cpu()->task;
}

static void divert(void (*handler)(void));
static void take_calls(void);
static void take_nmi(void);

static noinline void stop(void)
{
	struct cpu *cpu = this_cpu();

	for (;;) {
		/* The stack below this frame is not live. */
#if defined(__x86_64__)
		__asm__ volatile("mov %%rsp, %0" : "=r"(cpu->stack_low));
#else
		cpu->stack_low = (char *)__builtin_frame_address(0) - 512;
#endif
		if (!_setjmp(cpu->registers))
			_longjmp(ex->main, 1);
		switch (ex->resume_for) {
		case INTERRUPT:
			divert(take_calls);
			break;
		case NMI:
			divert(take_nmi);
			break;
		default:
			return;
		}
		cpu = this_cpu();
	}
}

/* Stops; what the caller does next is the step. */
static void step(const char *op, const volatile void *p, u64 val)
{
	struct cpu *cpu = this_cpu();
	const char *mm = (const char *)(uintptr_t)p;

	if (!ex->running)
		return;
	cpu->op = op;
	cpu->op_p = p;
	cpu->op_val = val;
	stop();
	if (mm >= mm_memory[0] && mm < mm_memory[nr_mms]) {
		struct mm_struct *owner = (void *)mm_memory[(mm - mm_memory[0]) / MM_SIZE];

		if (owner->freed)
			violation("CPU %d: %s of %s after it was freed", ex->cpu, op, name_of(p));
	}
}

void set_current(struct task_struct *task)
{
	/* An NMI may come before or after it, and looks at current. */
	if (ex->scenario->nmi)
		step("switch of current", task, 1UL << 32);
	this_cpu()->task = task;
}

/* A bit for this CPU's task, its interrupts, or its NMI. */
static uint16_t context(void)
{
	const struct cpu *cpu = this_cpu();

	return (uint16_t)(1U << (3 * ex->cpu + (cpu->in_nmi ? 2 : cpu->in_irq)));
}

static struct location *location(const volatile void *p)
{
	int i;

	for (i = 0; i < ex->nr_locations; i++)
		if (ex->location[i].p == p)
			return &ex->location[i];
	if (i == MAX_LOCATIONS)
		die("too many locations");
	ex->location[ex->nr_locations++] = (struct location) { .p = p };
	return &ex->location[i];
}

/* Notes an access; true if its time makes no difference. */
static bool is_private(const volatile void *p, bool loads, bool stores)
{
	const char *c = (const char *)(uintptr_t)p;
	struct location *l;
	uint16_t me = context();

	if (!ex->running && !ex->in_until)
		return true;
	l = location(p);
	if ((loads && !(l->loads & me)) || (stores && !(l->stores & me))) {
		l->loads |= loads ? me : 0;
		l->stores |= stores ? me : 0;
		_longjmp(ex->main, 3);
	}
	if (c >= mm_memory[0] && c < mm_memory[MAX_MMS])
		return false;
	return !(l->stores & ~me) && (!stores || !(l->loads & ~me));
}

/* The same for an operation that is also a barrier. */
static bool is_private_update(const volatile void *p)
{
	return is_private(p, true, true) && !this_cpu()->nr_stores;
}

void shim_wait(bool (*done)(void *arg), void *arg)
{
	struct cpu *cpu = this_cpu();

	if (!ex->running)
		return;
	cpu->op = "wait";
	cpu->op_p = arg;
	cpu->op_val = 0;
	cpu->until = done;
	cpu->until_arg = arg;
	stop();
	cpu->until = NULL;
}

/* -- memory ---------------------------------------------------------------- */

static u64 peek(const volatile void *p, int size)
{
	return size == 8 ? *(const volatile u64 *)p :
	       size == 4 ? *(const volatile u32 *)p : *(const volatile uint8_t *)p;
}

static void poke(volatile void *p, u64 val, int size)
{
	if (size == 8)
		*(volatile u64 *)p = val;
	else if (size == 4)
		*(volatile u32 *)p = (u32)val;
	else
		*(volatile uint8_t *)p = (uint8_t)val;
}

static u64 result(const struct store *store)
{
	u64 now = peek(store->p, store->size);

	return store->kind == STORE_PLAIN ? store->val :
	       store->kind == STORE_ADD ? now + store->val : now | store->val;
}

static void let_out(struct cpu *cpu, int i)
{
	poke(cpu->store[i].p, result(&cpu->store[i]), cpu->store[i].size);
	cpu->nr_stores--;
	memmove(&cpu->store[i], &cpu->store[i + 1],
		(size_t)(cpu->nr_stores - i) * sizeof(cpu->store[0]));
	/* So that states don't differ by an unused entry. */
	memset(&cpu->store[cpu->nr_stores], 0, sizeof(cpu->store[0]));
}

static void drain(struct cpu *cpu)
{
	while (cpu->nr_stores)
		let_out(cpu, 0);
	cpu->wmb = false;
}

static bool can_leave(const struct cpu *cpu, int i)
{
	for (int j = 0; j < i; j++)
		if (cpu->store[i].release || cpu->store[j + 1].after_wmb ||
		    cpu->store[j].p == cpu->store[i].p)
			return false;
	return true;
}

/* All stores of the CPU to @p leave, after those that have to leave before them. */
static void drain_location(struct cpu *cpu, const volatile void *p)
{
	for (int i = 0; i < cpu->nr_stores; i++) {
		if (cpu->store[i].p != p)
			continue;
		while (!can_leave(cpu, i)) {
			let_out(cpu, 0);
			i--;
		}
		let_out(cpu, i--);
	}
}

/* The value that a CPU loads: that of its latest store, if that is still in the buffer. */
static u64 see(struct cpu *cpu, const volatile void *p, int size)
{
	for (int i = 0; i < cpu->nr_stores; i++)
		if (cpu->store[i].p == p && cpu->store[i].kind != STORE_PLAIN)
			drain_location(cpu, p);
	for (int i = cpu->nr_stores; i-- > 0;)
		if (cpu->store[i].p == p)
			return cpu->store[i].val;
	return peek(p, size);
}

static void put(struct store store)
{
	struct cpu *cpu = this_cpu();

	if (!ex->running) {
		poke(store.p, result(&store), store.size);
		return;
	}
	if (cpu->nr_stores == MAX_STORES)
		let_out(cpu, 0);
	store.after_wmb = cpu->wmb && cpu->nr_stores;
	cpu->wmb = false;
	cpu->store[cpu->nr_stores++] = store;
}

u64 mem_load(const volatile void *p, int size, enum mem_order order)
{
	if (!is_private(p, true, false))
		step(order == MEM_ORDERED ? "load-acquire" : "load", p, 0);
	return see(this_cpu(), p, size);
}

void mem_store(volatile void *p, u64 val, int size, enum mem_order order)
{
	if (size == 4)
		val = (u32)val;
	if (is_private(p, false, true)) {
		poke(p, val, size);
		return;
	}
	step(order == MEM_ORDERED ? "store-release" : "store", p, val);
	put((struct store) { .p = p, .val = val, .size = (uint8_t)size,
			     .release = order == MEM_ORDERED });
}

u64 mem_xchg(volatile void *p, u64 val, int size)
{
	u64 old;

	if (!is_private_update(p))
		step("xchg", p, val);
	drain(this_cpu());
	old = peek(p, size);
	poke(p, val, size);
	return old;
}

u64 mem_cmpxchg(volatile void *p, u64 old, u64 new, int size)
{
	u64 now;

	if (!is_private_update(p))
		step("cmpxchg", p, new);
	drain_location(this_cpu(), p);
	now = peek(p, size);
	if (now == (size == 4 ? (u32)old : old)) {
		drain(this_cpu());
		poke(p, new, size);
	}
	return now;
}

u64 mem_add(volatile void *p, long n, int size)
{
	u64 val;

	if (!is_private_update(p))
		step(n > 0 ? "atomic increment" : "atomic decrement", p, 1UL << 32);
	drain(this_cpu());
	val = peek(p, size) + (u64)n;
	poke(p, val, size);
	return val;
}

void mem_add_later(volatile void *p, long n, int size)
{
	struct store store = { .p = p, .val = (u64)n, .size = (uint8_t)size, .kind = STORE_ADD };

	if (is_private(p, true, true)) {
		poke(p, result(&store), size);
		return;
	}
	step(n > 0 ? "atomic increment" : "atomic decrement", p, 1UL << 32);
	put(store);
}

void mem_or_later(volatile unsigned long *p, unsigned long bits)
{
	struct store store = { .p = p, .val = bits, .size = sizeof(*p), .kind = STORE_OR };

	if (is_private(p, true, true)) {
		poke(p, result(&store), sizeof(*p));
		return;
	}
	step("atomic or", p, bits);
	put(store);
}

void mem_fence(void)
{
	if (!this_cpu()->nr_stores)
		return;
	step("full barrier", NULL, 1UL << 32);
	drain(this_cpu());
}

void mem_wmb(void)
{
	this_cpu()->wmb = true;
}

/* -- mms ------------------------------------------------------------------- */

struct mm_struct *shim_mm_get_memory(unsigned int size)
{
	void *mm = mm_memory[nr_mms];

	if (nr_mms == MAX_MMS || size > MM_SIZE)
		die("no room for an mm");
	name_memory(mm, MM_SIZE, "mm %c", 'A' + (int)nr_mms);
	nr_mms++;
	return mm;
}

static bool in_mm(const volatile void *p, const struct mm_struct *mm)
{
	const char *c = (const char *)(uintptr_t)p;

	return c >= (const char *)mm && c < (const char *)mm + MM_SIZE;
}

/* The freeing CPU's own stores to the mm are over before the free. */
static void drain_mm(struct cpu *cpu, const struct mm_struct *mm)
{
	for (int i = 0; i < cpu->nr_stores;) {
		if (!in_mm(cpu->store[i].p, mm)) {
			i++;
			continue;
		}
		drain_location(cpu, cpu->store[i].p);
		i = 0;
	}
}

void shim_mm_free(struct mm_struct *mm)
{
	if (mm->freed)
		violation("CPU %d frees %s twice", ex->cpu, name_of(mm));
	drain_mm(this_cpu(), mm);
	for (int i = 0; i < MAX_CPUS; i++) {
		for (int j = 0; j < cpus[i].nr_stores; j++)
			if (in_mm(cpus[i].store[j].p, mm))
				violation("CPU %d frees %s, to which CPU %d has stored",
					  ex->cpu, name_of(mm), i);
		unsigned long *slot = &per_cpu(lazy_tlb_slot.val, i);

		if (lazy_tlb_slot_mm(see(&cpus[i], slot, sizeof(*slot))) == mm)
			violation("CPU %d frees %s, which the slot of CPU %d holds",
				  ex->cpu, name_of(mm), i);
		if (cpus[i].task && cpus[i].task->active_mm == mm)
			violation("CPU %d frees %s, which CPU %d has as active_mm",
				  ex->cpu, name_of(mm), i);
		ex->running = false;
		if (arch_lazy_tlb_loaded((unsigned int)i) == mm)
			violation("CPU %d frees %s, whose page tables CPU %d has loaded",
				  ex->cpu, name_of(mm), i);
		ex->running = true;
	}
	mm->freed = true;
}

void shim_walk_survived(unsigned int table)
{
	violation("a walk on CPU %d finds table %u reused", ex->cpu, table);
}

void shim_stale_access(int address)
{
	violation("CPU %d accesses the page that was at address %d", ex->cpu, address);
}

/* -- interrupts, preemption, grace periods --------------------------------- */

void local_irq_disable(void)
{
	this_cpu()->irq_off++;
}

/* The task is preempted here, if the scenario says so by preempt_at(). */
static void may_be_preempted(void)
{
	struct cpu *cpu = this_cpu();

	if (!cpu->irq_off && !cpu->preempt && !cpu->in_nmi && cpu->until_preempted &&
	    !--cpu->until_preempted)
		ex->scenario->preempt();
}

void preempt_at(int cpu, int n)
{
	cpus[cpu].until_preempted = n;
}

void local_irq_enable(void)
{
	/* An interrupt may come right here. */
	if (!--this_cpu()->irq_off)
		step("interrupts on", NULL, 1UL << 32);
	may_be_preempted();
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
	this_cpu()->preempt--;
}

int preempt_count(void)
{
	return this_cpu()->preempt;
}

static bool wants_interrupt(const struct cpu *cpu)
{
	for (int i = 0; i < MAX_CPUS; i++)
		if (cpu->call[i].fn)
			return true;
	return false;
}

/* The stores of a handler leave before its caller goes on. */
static void take_calls(void)
{
	struct cpu *cpu = this_cpu();

	cpu->irq_off++;
	cpu->in_irq = true;
	for (int i = 0; i < MAX_CPUS; i++) {
		if (!cpu->call[i].fn)
			continue;
		cpu->call[i].fn(cpu->call[i].info);
		drain(cpu);
		cpu->call[i].fn = NULL;
		cpu->call[i].info = NULL;
	}
	cpu->in_irq = false;
	cpu->irq_off--;
}

static void take_nmi(void)
{
	struct cpu *cpu = this_cpu();

	cpu->nmi_taken = true;
	cpu->in_nmi = true;
	ex->scenario->nmi();
	cpu->in_nmi = false;
}

/* Runs @handler, and leaves the CPU in front of the step where it was. */
static void divert(void (*handler)(void))
{
	struct cpu *cpu = this_cpu();
	const char *op = cpu->op;
	const volatile void *op_p = cpu->op_p;
	u64 op_val = cpu->op_val;
	bool (*until)(void *arg) = cpu->until;
	void *until_arg = cpu->until_arg;

	cpu->until = NULL;
	handler();
	cpu->op = op;
	cpu->op_p = op_p;
	cpu->op_val = op_val;
	cpu->until = until;
	cpu->until_arg = until_arg;
}

static bool calls_done(void *arg)
{
	int from = (int)((struct cpu *)arg - cpus);

	for (int i = 0; i < MAX_CPUS; i++)
		if (cpus[i].call[from].fn)
			return false;
	return true;
}

u64 local_clock(void)
{
	static u64 now;

	return now += NSEC_PER_USEC;
}

void cpu_relax(void)
{
}

void on_each_cpu_cond_mask(smp_cond_func_t cond, smp_call_func_t fn, void *info, bool wait,
			   const struct cpumask *mask)
{
	bool here = false;

	preempt_disable();
	for (int i = 0; i < MAX_CPUS; i++) {
		if (!(mask->bits[0] >> i & 1) || (cond && !cond(i, info)))
			continue;
		if (i == ex->cpu) {
			here = true;
			continue;
		}
		if (uninvolved >> i & 1)
			violation("CPU %d interrupts CPU %d without a reason", ex->cpu, i);
		/* An atomic operation queues the request. */
		step("interrupt for", per_cpu_ptr(&lazy_tlb_slot, i), 1UL << 32);
		drain(this_cpu());
		cpus[i].call[ex->cpu].info = info;
		cpus[i].call[ex->cpu].fn = fn;
	}
	if (here) {
		local_irq_disable();
		fn(info);
		local_irq_enable();
	}
	shim_wait(calls_done, this_cpu());
	preempt_enable();
}

void on_each_cpu_mask(const struct cpumask *mask, smp_call_func_t fn, void *info, bool wait)
{
	on_each_cpu_cond_mask(NULL, fn, info, wait, mask);
}

/* cpus_read_lock(); the writer's side is held from idle_task_exit() to finish_cpu(). */
static int hotplug_readers;
static bool hotplug_writer, cpus_locked[MAX_CPUS];

static bool no_writer(void *unused)
{
	return !hotplug_writer;
}

static bool no_readers(void *unused)
{
	return !hotplug_readers;
}

void cpus_read_lock(void)
{
	shim_wait(no_writer, NULL);
	hotplug_readers++;
	cpus_locked[ex->cpu] = true;
}

void cpus_read_unlock(void)
{
	drain(this_cpu());
	hotplug_readers--;
	cpus_locked[ex->cpu] = false;
	/* A step, so that a CPU that waits for the lock may come first. */
	step("CPUs unlocked", NULL, 1UL << 32);
}

bool shim_cpus_locked(void)
{
	return cpus_locked[ex->cpu];
}

static bool others_stop(void *unused)
{
	for (int i = 0; i < MAX_CPUS; i++)
		if (i != ex->cpu && (cpus[i].irq_off || cpus[i].preempt || cpus[i].in_nmi))
			return false;
	return true;
}

void shim_take_cpu_down(void)
{
	hotplug_writer = true;
	shim_wait(no_readers, NULL);
	shim_wait(others_stop, NULL);
	for (int i = 0; i < MAX_CPUS; i++)
		drain(&cpus[i]);
	local_irq_disable();
	is_private(&shim_online.bits[0], true, true);
	shim_online.bits[0] &= ~(1UL << ex->cpu);
	take_calls();
}

void shim_cpu_is_down(void)
{
	hotplug_writer = false;
}

/* A CPU that could be preempted is in no RCU read-side section, and its stores leave. */
static void quiescent(struct cpu *cpu)
{
	/* Grace periods don't wait for offline CPUs. */
	if ((cpu->irq_off || cpu->preempt || cpu->in_nmi) &&
	    shim_online.bits[0] >> (cpu - cpus) & 1)
		return;
	for (int i = 0; i < MAX_CPUS; i++) {
		if (!(cpus[i].grace >> (cpu - cpus) & 1))
			continue;
		drain(cpu);
		cpus[i].grace &= ~(1U << (cpu - cpus));
	}
}

static bool grace_over(void *arg)
{
	return !((struct cpu *)arg)->grace;
}

void synchronize_rcu(void)
{
	struct cpu *cpu = this_cpu();

	step("grace period", NULL, 1UL << 32);
	drain(cpu);
	cpu->grace = ((1U << MAX_CPUS) - 1) & ~(1U << ex->cpu);
	shim_wait(grace_over, cpu);
}

static bool unlocked(void *mutex)
{
	return !((struct mutex *)mutex)->locked;
}

void mutex_lock(struct mutex *mutex)
{
	shim_wait(unlocked, mutex);
	drain(this_cpu());
	mutex->locked = 1;
}

void mutex_unlock(struct mutex *mutex)
{
	if (!mutex->locked)
		violation("CPU %d unlocks a mutex that it has not locked", ex->cpu);
	drain(this_cpu());
	mutex->locked = 0;
}

/* -- work items run on CPUs that are at the end of their scenario ---------- */

void shim_queue_work(struct work_struct *work)
{
	step("queue work", NULL, 1UL << 32);
	drain(this_cpu());
	if (work_queued && work_queued != work)
		die("a second work item: only one is modelled");
	work_queued = work;
}

static bool work_to_do(void *unused)
{
	return work_queued && !work_running && !this_cpu()->task->mm &&
	       shim_online.bits[0] >> ex->cpu & 1;
}

static void live(void)
{
	const struct scenario *scenario = ex->scenario;

	stop();
	if (scenario->cpu[ex->cpu])
		scenario->cpu[ex->cpu]();
	for (;;) {
		struct work_struct *work;

		this_cpu()->idle = true;
		shim_wait(work_to_do, NULL);
		this_cpu()->idle = false;
		work = work_queued;
		work_queued = NULL;
		work_running = 1;
		work->fn(work);
		drain(this_cpu());
		work_running = 0;
	}
}

/* -- states ---------------------------------------------------------------- */

/* All static variables. The asm hides from the compiler that the pointer aliases them. */
static char *variables(void)
{
	char *start = __data_start;

	__asm__ volatile("" : "+r"(start) : : "memory");
	return start;
}

static size_t stack_used(int i)
{
	return (size_t)(ex->stack[i] + STACK_SIZE - cpus[i].stack_low) & ~7UL;
}

/* True if the state is new. */
static bool remember(void)
{
	XXH128_hash_t part[1 + MAX_CPUS], whole;
	u64 hash[2];
	size_t i;

	part[0] = XXH3_128bits(variables(), (size_t)(_end - __data_start));
	for (int c = 0; c < MAX_CPUS; c++)
		part[1 + c] = XXH3_128bits(ex->stack[c] + STACK_SIZE - stack_used(c), stack_used(c));
	whole = XXH3_128bits(part, sizeof(part));
	hash[0] = whole.low64;
	hash[1] = whole.high64;

	if (ex->seen_used * 2 > ex->seen_size) {
		u64 (*old)[2] = ex->seen;
		size_t old_size = ex->seen_size;

		ex->seen_size *= 2;
		ex->seen = get(ex->seen_size * sizeof(*ex->seen));
		for (size_t j = 0; j < old_size; j++) {
			if (!old[j][0])
				continue;
			for (i = old[j][0]; ex->seen[i & (ex->seen_size - 1)][0]; i++)
				;
			memcpy(ex->seen[i & (ex->seen_size - 1)], old[j], sizeof(*old));
		}
		munmap(old, old_size * sizeof(*old));
	}
	hash[0] |= !hash[0];
	for (i = hash[0]; ex->seen[i & (ex->seen_size - 1)][0]; i++)
		if (!memcmp(ex->seen[i & (ex->seen_size - 1)], hash, sizeof(hash)))
			return false;
	memcpy(ex->seen[i & (ex->seen_size - 1)], hash, sizeof(hash));
	ex->seen_used++;
	return true;
}

static void save(struct frame *f)
{
	size_t size = (size_t)(_end - __data_start), all = size;
	char *p;

	for (int i = 0; i < MAX_CPUS; i++)
		all += f->stack_used[i] = stack_used(i);
	p = malloc(all);
	if (!p)
		die("out of memory");
	f->saved = p;
	memcpy(p, variables(), size);
	p += size;
	for (int i = 0; i < MAX_CPUS; i++) {
		memcpy(p, ex->stack[i] + STACK_SIZE - f->stack_used[i], f->stack_used[i]);
		p += f->stack_used[i];
	}
}

static void restore(const struct frame *f)
{
	size_t size = (size_t)(_end - __data_start);
	const char *p = f->saved;

	memcpy(variables(), p, size);
	p += size;
	for (int i = 0; i < MAX_CPUS; i++) {
		memcpy(ex->stack[i] + STACK_SIZE - f->stack_used[i], p, f->stack_used[i]);
		p += f->stack_used[i];
	}
	variables();
}

static void list_transitions(struct frame *f)
{
	f->nr = f->done = 0;
	for (uint8_t i = 0; i < MAX_CPUS; i++) {
		struct cpu *cpu = &cpus[i];

		quiescent(cpu);
		ex->cpu = i;
	}
	for (uint8_t i = 0; i < MAX_CPUS; i++) {
		struct cpu *cpu = &cpus[i];

		ex->cpu = i;
		ex->running = false;
		ex->in_until = true;
		if (!cpu->until || cpu->until(cpu->until_arg))
			f->next[f->nr++] = (struct transition) { STEP, i, 0 };
		ex->in_until = false;
		ex->running = true;
		if (!cpu->irq_off && !cpu->in_nmi && wants_interrupt(cpu))
			f->next[f->nr++] = (struct transition) { INTERRUPT, i, 0 };
		if (ex->scenario->nmi && !i && !cpu->nmi_taken && !cpu->idle)
			f->next[f->nr++] = (struct transition) { NMI, i, 0 };
		for (int j = 0; j < cpu->nr_stores; j++)
			if (can_leave(cpu, j))
				f->next[f->nr++] = (struct transition) { STORE, i, (uint8_t)j };
	}
}

/* No step is possible, so each CPU must be at its end. */
static void check_end(void)
{
	ex->ends++;
	for (int i = 0; i < MAX_CPUS; i++) {
		if (!cpus[i].idle)
			violation("CPU %d waits for ever (%s %s)", i, cpus[i].op,
				  name_of(cpus[i].op_p));
		/* An offline CPU ends with interrupts off. */
		if (cpus[i].preempt || (cpus[i].irq_off && shim_online.bits[0] >> i & 1))
			violation("CPU %d ends with interrupts or preemption off", i);
	}
	if (ex->scenario->check) {
		ex->running = false;
		ex->scenario->check();
		ex->running = true;
	}
}

static void execute(struct transition t)
{
	struct cpu *cpu = &cpus[t.cpu];

	ex->transitions++;
	if (t.kind == STORE) {
		let_out(cpu, t.store);
		return;
	}
	ex->cpu = t.cpu;
	ex->resume_for = t.kind;
	_longjmp(cpu->registers, 1);
}

static void push(void)
{
	struct frame *f;

	if (ex->depth == ex->max_depth)
		die("an order has too many steps");
	f = &ex->frames[ex->depth++];
	f->saved = NULL;
	f->by = ex->by;
	f->op = ex->about.op;
	f->op_p = ex->about.op_p;
	f->op_val = ex->about.op_val;
	ex->done = true;
	if (ex->depth > ex->depth_reached)
		ex->depth_reached = ex->depth;
	list_transitions(f);
	if (!f->nr)
		check_end();
	save(f);
}

static void print_trace(void)
{
	struct frame last = { .by = ex->by, .op = ex->about.op, .op_p = ex->about.op_p,
			      .op_val = ex->about.op_val };

	fprintf(stderr, "%s, after:\n", ex->problem);
	for (size_t i = 1; i < ex->depth; i++)
		print_step(i, &ex->frames[i]);
	if (!ex->done)
		print_step(ex->depth, &last);
}

static void start_cpu(int i)
{
	ex->cpu = i;
	getcontext(&ex->start_context);
	ex->start_context.uc_stack.ss_sp = ex->stack[i];
	ex->start_context.uc_stack.ss_size = STACK_SIZE;
	makecontext(&ex->start_context, live, 0);
	if (!_setjmp(ex->main))
		swapcontext(&ex->main_context, &ex->start_context);
}

static enum outcome explore(const struct scenario *scenario, unsigned int value)
{
	volatile bool again = false;
	struct timespec start, end;
	char setting[60] = "";

	ex->scenario = scenario;
	ex->nr_names = 0;
	ex->problem[0] = '\0';
	ex->transitions = ex->ends = 0;
	ex->depth = ex->depth_reached = 0;
	ex->seen_used = 0;
	ex->seen_size = 1 << 16;
	ex->seen = get(ex->seen_size * sizeof(*ex->seen));
	for (int i = 0; i < MAX_CPUS; i++)
		ex->stack[i] = get(STACK_SIZE);
	if (scenario->describe)
		scenario->describe(value, setting, sizeof(setting));
	clock_gettime(CLOCK_MONOTONIC, &start);

	ex->running = ex->started = false;
	shim_possible.bits[0] = shim_online.bits[0] = (1UL << MAX_CPUS) - 1;
	if (__stop_percpu - __start_percpu > PERCPU_SIZE)
		die("PERCPU_SIZE is too small");
	for (int i = 0; i < MAX_CPUS; i++) {
		start_context(i, true);
		name_memory(&shim_rq[i].curr, 8, "rq[%d].curr", i);
		name_memory(per_cpu_ptr(&lazy_tlb_slot, i), sizeof(lazy_tlb_slot), "slot of CPU %d", i);
		name_memory(per_cpu_ptr(&cpu_tlbstate.loaded_mm, i), 8, "page tables of CPU %d", i);
		name_memory(per_cpu_ptr(&cpu_tlbstate.is_lazy, i), 4, "is_lazy of CPU %d", i);
		name_memory(per_cpu_ptr(&table_walk.task, i), 8, "task marker of CPU %d", i);
		name_memory(per_cpu_ptr(&table_walk.marked, i), 8, "marker of CPU %d", i);
	}
	for (int i = 0; i < SHIM_TABLES; i++)
		name_memory(&shim_table[i], 4, "table %d", i);
#ifdef CONFIG_LAZY_TLB_DYNAMIC
	name_memory(&lazy_tlb_scheme, sizeof(lazy_tlb_scheme), "the scheme");
#endif
	name_memory(&table_sync_mode, sizeof(table_sync_mode), "the mode");
	name_memory(&init_mm, sizeof(init_mm), "init_mm");
	scenario->setup(value);
	for (int i = 0; i < MAX_CPUS; i++) {
		cpus[i].task = shim_rq[i].curr;
		start_cpu(i);
	}

	ex->running = ex->started = true;
	switch (_setjmp(ex->main)) {
	case 0:
		remember();
		push();
		break;
	case 1:
		/* A CPU has stopped before its next access. */
		if (remember())
			push();
		break;
	case 2:
		ex->running = true;
		print_trace();
		ex->depth = 0;
		break;
	case 3:
		again = true;
		ex->in_until = false;
		while (ex->depth)
			free(ex->frames[--ex->depth].saved);
	}
	while (ex->depth) {
		struct frame *f = &ex->frames[ex->depth - 1];
		const struct cpu *cpu;

		if (f->done == f->nr) {
			free(f->saved);
			ex->depth--;
			continue;
		}
		restore(f);
		ex->by = f->next[f->done++];
		cpu = &cpus[ex->by.cpu];
		ex->about.op = cpu->op;
		ex->about.op_p = cpu->op_p;
		ex->about.op_val = cpu->op_val;
		if (ex->by.kind == STORE) {
			ex->about.op_p = cpu->store[ex->by.store].p;
			ex->about.op_val = cpu->store[ex->by.store].val;
		}
		ex->done = false;
		execute(ex->by);
		/* execute() returns only from a store that leaves the buffer. */
		if (remember())
			push();
	}

	munmap(ex->seen, ex->seen_size * sizeof(*ex->seen));
	for (int i = 0; i < MAX_CPUS; i++)
		munmap(ex->stack[i], STACK_SIZE);
	if (again)
		return AGAIN;
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%s %s%s%s: %zu states, %lu steps, at most %zu in a row, %lu ends, %.1f s\n",
	       ex->problem[0] ? "FAIL" : "ok  ", scenario->name, setting[0] ? " " : "", setting,
	       ex->seen_used, ex->transitions, ex->depth_reached, ex->ends,
	       (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	fflush(stdout);
	return ex->problem[0] ? FOUND : NOTHING_FOUND;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: explore [-k] [-l] [SCENARIO]...\n"
		"Tries every order of steps of our code in the scenarios, all or those named, in\n"
		"each of their settings. Prints the number of states; at a violation the steps that\n"
		"led to it.\n"
		"  -k  go on with the next setting after a violation\n"
		"  -l  list the scenarios\n"
		"Exit status 1: a violation; 2: wrong use, or a case is too large.\n");
}

int main(int argc, char **argv)
{
	size_t size = (size_t)(_end - __data_start);
	char *pristine = get(size);
	u64 states = 0, cases = 0, bad = 0;
	bool go_on = false;
	int opt;

	initcall_lazy_tlb_shoot_init();
	ex = get(sizeof(*ex));
	ex->max_depth = 5000;
	ex->frames = get(ex->max_depth * sizeof(*ex->frames));
	while ((opt = getopt(argc, argv, "hkl")) != -1) {
		switch (opt) {
		case 'h':
			usage(stdout);
			return 0;
		case 'k':
			go_on = true;
			break;
		case 'l':
			for (unsigned int i = 0; i < nr_scenarios; i++)
				if (scenarios[i].values)
					printf("%s\n", scenarios[i].name);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	for (int i = optind; i < argc; i++) {
		bool known = false;

		for (unsigned int j = 0; j < nr_scenarios; j++)
			known |= scenarios[j].values && !strcmp(argv[i], scenarios[j].name);
		if (!known) {
			fprintf(stderr, "explore: there is no scenario '%s' in this build; -l lists them\n", argv[i]);
			return 2;
		}
	}
	memcpy(pristine, variables(), size);

	for (unsigned int i = 0; i < nr_scenarios; i++) {
		bool wanted = optind == argc;

		for (int j = optind; j < argc; j++)
			wanted |= !strcmp(argv[j], scenarios[i].name);
		for (unsigned int v = 0; wanted && v < scenarios[i].values; v++) {
			enum outcome outcome;

			ex->nr_locations = 0;
			do {
				memcpy(variables(), pristine, size);
				outcome = explore(&scenarios[i], v);
			} while (outcome == AGAIN);
			if (outcome == FOUND) {
				if (!go_on)
					return 1;
				bad++;
			}
			states += ex->seen_used;
			cases++;
		}
	}
	if (bad)
		printf("%lu cases, %lu states, %lu failed\n", cases, states, bad);
	else
		printf("%lu cases, %lu states, no violation\n", cases, states);
	return bad != 0;
}
