// SPDX-License-Identifier: GPL-2.0
/*
 * The functions of the core one by one, and in short sequences. One thread plays all
 * CPUs: on() chooses the CPU that the lines after it run on. Each test is a process of its
 * own.
 */
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native.h"

/* Module parameters of the core. */
bool *param_lazy_tlb_piggyback(void);
bool *param_table_sync_skip(void);

#define CPUS 4
/* A possible CPU that is always offline. The CPU number before it is not possible. */
#define NEVER_ONLINE 6

/* -- expectations ---------------------------------------------------------- */

static const char *test_name;
static bool failed;
static char warning[200];

__attribute__((format(printf, 2, 3)))
static void fail(int line, const char *fmt, ...)
{
	va_list ap;

	failed = true;
	printf("FAIL %s: line %d: ", test_name, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static void expect(int line, const char *what, unsigned long got, unsigned long want)
{
	if (got != want)
		fail(line, "%s: expected %#lx, got %#lx", what, want, got);
}

static void expect_warning(int line, const char *want)
{
	if (!strstr(warning, want))
		fail(line, "expected a warning with '%s', got '%s'", want, warning);
	warning[0] = '\0';
}

#define EXPECT(got, want) expect(__LINE__, #got, (unsigned long)(got), (unsigned long)(want))
#define EXPECT_WARNING(text) expect_warning(__LINE__, text)

static void note_warning(const char *text)
{
	if (warning[0])
		fail(0, "an unexpected warning: %s", warning);
	snprintf(warning, sizeof(warning), "%s", text);
}

/* -- tasks and mms --------------------------------------------------------- */

/* The tests are about mm_a. mm_b is another mm, with a user that stays. */
static struct mm_struct *mm_a, *mm_b;
static struct task_struct kthread[CPUS], user[CPUS], other[CPUS];

#define OWNED(mm)	((unsigned long)(mm) | LAZY_TLB_OWNED)
#define SLOT(cpu)	per_cpu(lazy_tlb_slot.val, cpu)
#define COUNT(mm)	atomic_read(&(mm)->mm_count)
#define MASK(mm)	(lazy_tlb_borrowers(mm)->bits[0])
#define TASK_MARK(cpu)	per_cpu(table_walk.task, cpu)
#define MARK(cpu)	per_cpu(table_walk.marked, cpu)

static void on(int cpu)
{
	shim_this_cpu = cpu;
}

static void run_task(int cpu, struct task_struct *task)
{
	on(cpu);
	start_task(cpu, task);
	set_current(task);
}

static void set_up(void)
{
	shim_one_thread = true;
	shim_warn_hook = note_warning;
	shim_online.bits[0] = (1UL << CPUS) - 1;
	shim_possible.bits[0] = shim_online.bits[0] | 1UL << NEVER_ONLINE;
	for (int i = 0; i < NR_CPUS; i++)
		start_context(i, true);
	mm_a = mm_alloc();
	mm_b = mm_alloc();
	for (int i = 0; i < CPUS; i++) {
		kthread[i].comm = user[i].comm = other[i].comm = "test";
		kthread[i].pid = user[i].pid = other[i].pid = i + 1;
		other[i].mm = other[i].active_mm = mm_b;
		run_task(i, &kthread[i]);
	}
	on(0);
}

/* A user task of @mm ran on @cpu; now a kernel thread does, and the task has gone. */
static void borrow(int cpu, struct mm_struct *mm)
{
	user[cpu].mm = mm;
	run_task(cpu, &user[cpu]);
	context_switch(&kthread[cpu]);
	user[cpu].mm = NULL;
}

/* A user task of another mm runs on @cpu. */
static void leave(int cpu)
{
	on(cpu);
	context_switch(&other[cpu]);
}

/* mmput() by the last user, without its flush. */
static void drop(struct mm_struct *mm)
{
	on(0);
	atomic_set(&mm->mm_users, 0);
	mmdrop(mm);
}

static bool freed(struct mm_struct *mm)
{
	return shim_last_freed == mm;
}

/* Not all architectures have the mode running. */
#define HAS_RUNNING	IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING)

#define lazy(ev)	shim_lazy_events(ev)
#define syncs(ev)	shim_sync_events(ev)

/* A bit for each CPU that was interrupted since the last call; one interrupted twice fails. */
static unsigned long interrupted_cpus(void)
{
	unsigned long cpus = 0;

	for (int i = 0; i < NR_CPUS; i++) {
		EXPECT(shim_interrupts[i] <= 1, true);
		cpus |= (unsigned long)!!shim_interrupts[i] << i;
		shim_interrupts[i] = 0;
	}
	return cpus;
}

/* -- slot and mask --------------------------------------------------------- */

static void slot_says_what_it_holds(void)
{
	EXPECT((unsigned long)mm_a & LAZY_TLB_OWNED, 0);
	EXPECT(lazy_tlb_slot_mm((unsigned long)mm_a), mm_a);
	EXPECT(lazy_tlb_slot_mm(OWNED(mm_a)), mm_a);
	EXPECT(lazy_tlb_slot_owned((unsigned long)mm_a), NULL);
	EXPECT(lazy_tlb_slot_owned(OWNED(mm_a)), mm_a);
	EXPECT(lazy_tlb_slot_owned(0), NULL);
}

static void mask_has_its_own_lines(void)
{
	unsigned int end = lazy_tlb_layout(sizeof(struct mm_struct));

	EXPECT((unsigned long)lazy_tlb_of(mm_a) % SMP_CACHE_BYTES, 0);
	EXPECT((char *)lazy_tlb_of(mm_a) >= (char *)(mm_a + 1), true);
	EXPECT(end % SMP_CACHE_BYTES, 0);
	EXPECT((char *)(lazy_tlb_borrowers(mm_a) + 1) <= (char *)mm_a + end, true);
	/* The bit that enter tests is the one of that mask. */
	for (int cpu = 0; cpu < CPUS; cpu++) {
		MASK(mm_a) = 1UL << cpu;
		for (int i = 0; i < CPUS; i++)
			EXPECT(test_bit(per_cpu(lazy_tlb_slot.bit, i), (unsigned long *)mm_a),
			       i == cpu);
	}
	EXPECT(per_cpu(lazy_tlb_slot.bit, NEVER_ONLINE), per_cpu(lazy_tlb_slot.bit, 0) + NEVER_ONLINE);
	MASK(mm_a) = 0;
	/* Any size is rounded up to the next line. */
	lazy_tlb_layout(SMP_CACHE_BYTES);
	EXPECT(lazy_tlb_offset, SMP_CACHE_BYTES);
	lazy_tlb_layout(SMP_CACHE_BYTES + 1);
	EXPECT(lazy_tlb_offset, 2 * SMP_CACHE_BYTES);
	/* On a machine with 4096 CPUs the mask has several lines. */
	shim_cpumask_bytes = 512;
	EXPECT(lazy_tlb_layout(SMP_CACHE_BYTES) >= SMP_CACHE_BYTES + sizeof(struct lazy_tlb) + 512,
	       true);
}

static void init_clears_mask(void)
{
	MASK(mm_a) = ~0UL;
	lazy_tlb_init(mm_a);
	EXPECT(MASK(mm_a), 0);
}

/* -- enter and leave ------------------------------------------------------- */

/* The current kernel thread of CPU 1, which has mm_a loaded, starts to borrow it. */
static struct mm_struct *enter(enum lazy_tlb_scheme scheme)
{
	struct mm_struct *active;

	lazy_tlb_set_scheme(scheme);
	EXPECT(lazy_tlb_get_scheme(), scheme);
	on(1);
	switch_mm_irqs_off(&init_mm, mm_a, current);
	local_irq_disable();
	active = current->active_mm = lazy_tlb_enter(mm_a, current);
	local_irq_enable();
	EXPECT(lazy(LAZY_TLB_EV_ENTER), 1);
	return active;
}

/* The kernel thread goes to init_mm. Returns the mm whose reference the slot held, if any. */
static struct mm_struct *to_init_mm(void)
{
	struct mm_struct *active_mm = current->active_mm, *owned;
	unsigned long slot = SLOT(shim_this_cpu);

	local_irq_disable();
	switch_mm_irqs_off(active_mm, &init_mm, current);
	current->active_mm = &init_mm;
	owned = lazy_tlb_leave(active_mm);
	local_irq_enable();
	EXPECT(owned, slot & LAZY_TLB_OWNED ? slot & ~LAZY_TLB_OWNED : 0);
	EXPECT(SLOT(shim_this_cpu), 0);
	return owned;
}

static struct mm_struct *leave_by_hand(void)
{
	struct mm_struct *owned = to_init_mm();

	EXPECT(lazy(LAZY_TLB_EV_LEAVE), 1);
	return owned;
}

static void enter_refcount(void)
{
	EXPECT(enter(LAZY_TLB_REFCOUNT), mm_a);
	EXPECT(SLOT(1), OWNED(mm_a));
	EXPECT(COUNT(mm_a), 2);
	EXPECT(MASK(mm_a), 0);
	EXPECT(arch_lazy_tlb_loaded(1), mm_a);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED), 1);
	EXPECT(leave_by_hand(), mm_a);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED), 2);
	EXPECT(COUNT(mm_a), 2);
	lazy_tlb_put(mm_a);
	EXPECT(COUNT(mm_a), 1);
}

static void enter_slot(enum lazy_tlb_scheme scheme)
{
	EXPECT(enter(scheme), mm_a);
	EXPECT(SLOT(1), mm_a);
	EXPECT(COUNT(mm_a), 1);
	EXPECT(MASK(mm_a), 1 << 1);
	EXPECT(arch_lazy_tlb_loaded(1), mm_a);
	EXPECT(leave_by_hand(), NULL);
	/* No leave clears the bit. */
	EXPECT(MASK(mm_a), 1 << 1);
	EXPECT(COUNT(mm_a), 1);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED), 0);
}

static void enter_hazard(void)
{
	enter_slot(LAZY_TLB_HAZARD);
}

static void enter_shootdown(void)
{
	enter_slot(LAZY_TLB_SHOOTDOWN);
}

static void enter_none(void)
{
	EXPECT(enter(LAZY_TLB_NONE), &init_mm);
	EXPECT(SLOT(1), 0);
	EXPECT(COUNT(mm_a), 1);
	EXPECT(MASK(mm_a), 0);
	EXPECT(arch_lazy_tlb_loaded(1), &init_mm);
	EXPECT(leave_by_hand(), NULL);
}

static void put_nothing(void)
{
	lazy_tlb_put(NULL);
	EXPECT(shim_mms_freed, 0);
}

static void put_last_reference(void)
{
	lazy_tlb_put(mm_a);
	EXPECT(freed(mm_a), true);
	lazy_tlb_finish(mm_b);
	EXPECT(freed(mm_b), true);
}

/* Synchronises the core if the mm is the same one and has registered for SYNC_CORE. */
static void sync_core_of_same_mm(void)
{
	unsigned int *fetched = &per_cpu(shim_code_fetched, 0);

	shim_code++;
	lazy_tlb_sync_core(mm_a, mm_a);
	EXPECT(*fetched, 0);
	mm_a->membarrier_state.counter = MEMBARRIER_STATE_PRIVATE_EXPEDITED_SYNC_CORE;
	lazy_tlb_sync_core(mm_a, mm_b);
	lazy_tlb_sync_core(mm_b, mm_a);
	EXPECT(*fetched, 0);
	lazy_tlb_sync_core(mm_a, mm_a);
	EXPECT(*fetched, shim_code);
}

/* -- the check at enter and free ------------------------------------------- */

static void check_enter_slot_in_use(void)
{
	borrow(1, mm_a);
	preempt_disable();
	lazy_tlb_check_enter(mm_b);
	EXPECT_WARNING("in use");
	preempt_enable();
}

static void check_enter_preemptible(void)
{
	lazy_tlb_check_enter(mm_a);
	EXPECT_WARNING("preemption enabled");
	local_irq_disable();
	lazy_tlb_check_enter(mm_a);
	local_irq_enable();
	EXPECT(warning[0], 0);
}

static void check_enter_init_mm(void)
{
	preempt_disable();
	lazy_tlb_check_enter(&init_mm);
	EXPECT_WARNING("init_mm");
	preempt_enable();
}

static void check_free_slot(void)
{
	SLOT(2) = OWNED(mm_a);
	lazy_tlb_check_free(mm_a);
	EXPECT_WARNING("slot of CPU 2");
	lazy_tlb_check_free(mm_b);
	EXPECT(warning[0], 0);
}

static void check_free_active_mm(void)
{
	kthread[3].active_mm = mm_a;
	lazy_tlb_check_free(mm_a);
	EXPECT_WARNING("active_mm of test[4] on CPU 3");
}

static void check_free_loaded(void)
{
	on(1);
	switch_mm_irqs_off(&init_mm, mm_a, current);
	lazy_tlb_check_free(mm_a);
	EXPECT_WARNING("loaded on CPU 1");
}

/* -- the final drop -------------------------------------------------------- */

static void drop_without_borrowers(void)
{
	drop(mm_a);
	EXPECT(freed(mm_a), true);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_FREE), 1);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_BORROWED), 0);
}

static void drop_after_borrower(void)
{
	borrow(1, mm_a);
	leave(1);
	EXPECT(MASK(mm_a), 1 << 1);
	drop(mm_a);
	EXPECT(freed(mm_a), true);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 0);
}

/* CPU 1 borrowed mm_a before, and borrows another mm now. */
static void drop_with_borrower_of_another(void)
{
	borrow(1, mm_a);
	leave(1);
	borrow(1, mm_b);
	drop(mm_a);
	EXPECT(freed(mm_a), true);
	EXPECT(SLOT(1), mm_b);
}

static void handoff_to_one(void)
{
	borrow(1, mm_a);
	drop(mm_a);
	EXPECT(freed(mm_a), false);
	EXPECT(SLOT(1), OWNED(mm_a));
	EXPECT(COUNT(mm_a), 1);
	EXPECT(MASK(mm_a), 0);
	EXPECT(kthread[1].active_mm, mm_a);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 1);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_BORROWED), 1);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_FREE), 0);
	leave(1);
	EXPECT(freed(mm_a), true);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_FREE), 1);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED) % 2, 0);
}

static void handoff_to_two(void)
{
	borrow(1, mm_a);
	borrow(2, mm_a);
	drop(mm_a);
	EXPECT(SLOT(1), OWNED(mm_a));
	EXPECT(SLOT(2), OWNED(mm_a));
	EXPECT(COUNT(mm_a), 2);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 2);
	leave(2);
	EXPECT(freed(mm_a), false);
	EXPECT(COUNT(mm_a), 1);
	leave(1);
	EXPECT(freed(mm_a), true);
	EXPECT(shim_mms_freed, 1);
}

/* The CPU that drops is the borrower. */
static void handoff_to_itself(void)
{
	borrow(0, mm_a);
	drop(mm_a);
	EXPECT(SLOT(0), OWNED(mm_a));
	leave(0);
	EXPECT(freed(mm_a), true);
}

static void handoff_passes_over_others(void)
{
	borrow(1, mm_a);
	leave(1);
	borrow(2, mm_a);
	borrow(3, mm_a);
	leave(3);
	borrow(3, mm_b);
	drop(mm_a);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 1);
	EXPECT(SLOT(2), OWNED(mm_a));
	EXPECT(SLOT(3), mm_b);
	leave(2);
	EXPECT(freed(mm_a), true);
}

static void counted_borrower_keeps_mm(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow(1, mm_a);
	drop(mm_a);
	EXPECT(COUNT(mm_a), 1);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_BORROWED), 0);
	leave(1);
	EXPECT(freed(mm_a), true);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 0);
}

/* The last counted borrower hands off to the borrower without a count. */
static void borrowers_of_two_schemes(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow(1, mm_a);
	lazy_tlb_set_scheme(LAZY_TLB_HAZARD);
	borrow(2, mm_a);
	drop(mm_a);
	EXPECT(COUNT(mm_a), 1);
	EXPECT(SLOT(2), mm_a);
	leave(1);
	EXPECT(freed(mm_a), false);
	EXPECT(SLOT(2), OWNED(mm_a));
	leave(2);
	EXPECT(freed(mm_a), true);
}

static bool has_slots(int scheme)
{
	return scheme == LAZY_TLB_HAZARD || scheme == LAZY_TLB_SHOOTDOWN;
}

/*
 * CPUs 1 to @borrowers borrow an mm under one scheme, and the last reference goes under
 * another one. The mm is freed once: at once, by the shootdown, or by the last leave.
 */
static void drop_after_change(int from, int to, int borrowers)
{
	unsigned long looked_at = lazy(LAZY_TLB_EV_LOOKED_AT);
	unsigned long handoffs = lazy(LAZY_TLB_EV_HANDOFF);
	unsigned long before = shim_mms_freed;
	bool shot = has_slots(from) && to == LAZY_TLB_SHOOTDOWN && borrowers;
	struct mm_struct *mm = mm_alloc();

	lazy_tlb_set_scheme(from);
	for (int cpu = 1; cpu <= borrowers; cpu++)
		borrow(cpu, mm);
	lazy_tlb_set_scheme(to);
	drop(mm);
	EXPECT(shim_mms_freed, before + (from == LAZY_TLB_NONE || !borrowers));
	on(0);
	EXPECT(shim_run_work(), shot);
	EXPECT(shim_mms_freed, before + (from == LAZY_TLB_NONE || !borrowers || shot));
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF) - handoffs, has_slots(from) && !shot ? borrowers : 0);
	/* The slots of CPUs that have not borrowed the mm are not looked at. */
	if (!shot)
		EXPECT(lazy(LAZY_TLB_EV_LOOKED_AT) - looked_at, has_slots(from) ? borrowers : 0);
	for (int cpu = 1; cpu <= borrowers; cpu++) {
		bool borrows = from != LAZY_TLB_NONE && !shot;

		EXPECT(SLOT(cpu), borrows ? OWNED(mm) : 0);
		if (borrows)
			EXPECT(COUNT(mm), borrowers - cpu + 1);
		leave(cpu);
		run_task(cpu, &kthread[cpu]);
	}
	EXPECT(shim_mms_freed, before + 1);
	EXPECT(freed(mm), true);
}

static void drop_in_each_pair_of_schemes(void)
{
	for (int from = 0; from < LAZY_TLB_NR_SCHEMES; from++)
		for (int to = 0; to < LAZY_TLB_NR_SCHEMES; to++)
			for (int borrowers = 0; borrowers < CPUS; borrowers++)
				drop_after_change(from, to, borrowers);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED) % 2, 0);
}

/* A CPU gives back under any scheme an mm that it has borrowed under another one. */
static void leave_in_each_pair_of_schemes(void)
{
	for (int from = 0; from < LAZY_TLB_NR_SCHEMES; from++) {
		for (int to = 0; to < LAZY_TLB_NR_SCHEMES; to++) {
			struct mm_struct *mm = mm_alloc();

			lazy_tlb_set_scheme(from);
			borrow(1, mm);
			lazy_tlb_set_scheme(to);
			leave(1);
			EXPECT(SLOT(1), 0);
			EXPECT(COUNT(mm), 1);
			drop(mm);
			EXPECT(freed(mm), true);
			run_task(1, &kthread[1]);
		}
	}
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 0);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED) % 2, 0);
	EXPECT(shim_run_work(), false);
}

/* -- CPU 1 leaves before each access of the final drop, one at a time ------ */

static bool left;

static void leave_now(void)
{
	int cpu = shim_this_cpu;

	left = true;
	/* An access in CPU 1's own interrupt is not a moment at which it can switch tasks. */
	if (cpu != 1)
		leave(1);
	on(cpu);
}

static void leave_before_each_access(enum lazy_tlb_scheme scheme)
{
	unsigned long before;

	lazy_tlb_set_scheme(scheme);
	shim_delay_hook = leave_now;
	for (int access = 1; access == 1 || left; access++) {
		struct mm_struct *mm = mm_alloc();

		before = shim_mms_freed;
		borrow(1, mm);
		borrow(2, mm);
		left = false;
		shim_until_delay = access;
		drop(mm);
		shim_run_work();
		shim_until_delay = 0;
		EXPECT(lazy_tlb_slot_mm(SLOT(1)), left || scheme == LAZY_TLB_SHOOTDOWN ? NULL : mm);
		if (shim_rq[1].curr != &other[1])
			leave(1);
		leave(2);
		EXPECT(freed(mm), true);
		EXPECT(shim_mms_freed, before + 1);
		run_task(1, &kthread[1]);
		run_task(2, &kthread[2]);
	}
	/* An increment that handoff takes back counts as two. */
	EXPECT(lazy(LAZY_TLB_EV_COUNTED) % 2, 0);
}

static void leave_at_any_time_of_handoff(void)
{
	leave_before_each_access(LAZY_TLB_HAZARD);
}

static void leave_at_any_time_of_shootdown(void)
{
	leave_before_each_access(LAZY_TLB_SHOOTDOWN);
}

/* -- shootdown ------------------------------------------------------------- */

static void shootdown_moves_borrowers(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, mm_a);
	borrow(2, mm_a);
	borrow(3, mm_b);
	drop(mm_a);
	EXPECT(freed(mm_a), false);
	EXPECT(SLOT(1), mm_a);
	on(0);
	EXPECT(shim_run_work(), true);
	EXPECT(freed(mm_a), true);
	for (int i = 1; i < 3; i++) {
		EXPECT(SLOT(i), 0);
		EXPECT(kthread[i].active_mm, &init_mm);
		EXPECT(arch_lazy_tlb_loaded((unsigned int)i), &init_mm);
	}
	EXPECT(SLOT(3), mm_b);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 2);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_RECEIVED), 2);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 0);
	EXPECT(shim_run_work(), false);
}

/* A CPU that was a target of one shootdown is not interrupted by the next one. */
static void shootdown_after_shootdown(void)
{
	struct mm_struct *mm_c = mm_alloc();

	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, mm_a);
	borrow(2, mm_a);
	drop(mm_a);
	on(0);
	shim_run_work();
	EXPECT(interrupted_cpus(), 0x6);
	borrow(3, mm_c);
	drop(mm_c);
	on(0);
	shim_run_work();
	EXPECT(interrupted_cpus(), 0x8);
	EXPECT(shim_mms_freed, 2);
}

/* A CPU that borrowed mm_a before is in its mask and is not interrupted for that. */
static void shootdown_spares_others(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, mm_a);
	leave(1);
	borrow(1, mm_b);
	borrow(2, mm_a);
	leave(2);
	borrow(3, mm_a);
	drop(mm_a);
	on(0);
	shim_run_work();
	EXPECT(interrupted_cpus(), 0x8);
}

/* An isolated CPU, here 2, keeps the mm, and frees it when it leaves. */
static void shootdown_spares_isolated(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	shim_isolated.bits[0] = 0x4;
	borrow(1, mm_a);
	borrow(2, mm_a);
	drop(mm_a);
	on(0);
	shim_run_work();
	EXPECT(interrupted_cpus(), 0x2);
	EXPECT(SLOT(1), 0);
	EXPECT(SLOT(2), OWNED(mm_a));
	EXPECT(freed(mm_a), false);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 1);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 1);
	leave(2);
	EXPECT(freed(mm_a), true);
}

static void hazard_interrupts_nobody(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_HAZARD);
	for (int i = 1; i < CPUS; i++)
		borrow(i, mm_a);
	drop(mm_a);
	shim_run_work();
	EXPECT(interrupted_cpus(), 0);
	for (int i = 1; i < CPUS; i++)
		leave(i);
	EXPECT(interrupted_cpus(), 0);
	EXPECT(freed(mm_a), true);
}

static void shootdown_of_own_cpu(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, mm_a);
	drop(mm_a);
	on(1);
	EXPECT(shim_run_work(), true);
	EXPECT(freed(mm_a), true);
	EXPECT(kthread[1].active_mm, &init_mm);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 0);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_RECEIVED), 0);
}

static void shootdown_of_a_batch(void)
{
	struct mm_struct *mm_c = mm_alloc();

	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, mm_a);
	borrow(2, mm_c);
	borrow(3, mm_c);
	drop(mm_a);
	drop(mm_c);
	on(0);
	EXPECT(shim_run_work(), true);
	EXPECT(shim_mms_freed, 2);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 3);
	EXPECT(shim_run_work(), false);
}

/* No CPU is interrupted if all borrowers have left before the work runs. */
static void shootdown_after_all_left(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, mm_a);
	drop(mm_a);
	leave(1);
	EXPECT(freed(mm_a), false);
	on(0);
	EXPECT(shim_run_work(), true);
	EXPECT(freed(mm_a), true);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 0);
}

static void shootdown_without_borrowers(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, mm_a);
	leave(1);
	drop(mm_a);
	EXPECT(freed(mm_a), true);
	EXPECT(shim_run_work(), false);
}

/* An offline CPU gets no interrupt: its slot is handed off, hotplug drops the reference. */
static void shootdown_of_offline_cpu(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(3, mm_a);
	idle_task_exit();
	drop(mm_a);
	on(0);
	EXPECT(shim_run_work(), true);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 0);
	EXPECT(SLOT(3), OWNED(mm_a));
	finish_cpu(3);
	EXPECT(freed(mm_a), true);
}

/* Runs on CPU 1 between the look at its slot, which holds mm_a, and the interrupt. */
static void (*meanwhile)(void);

static void interrupted(void)
{
	if (shim_this_cpu == 1 && meanwhile)
		meanwhile();
}

static void shoot_with(void (*fn)(void))
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, mm_a);
	drop(mm_a);
	meanwhile = fn;
	shim_irq_hook = interrupted;
	on(0);
	EXPECT(shim_run_work(), true);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_RECEIVED), 1);
}

/* A user task with the kernel thread's slot: an interrupt in the middle of a switch. It warns. */
static void user_is_current(void)
{
	switch_mm_irqs_off(mm_a, mm_b, &other[1]);
	kthread[1].active_mm = NULL;
	set_current(&other[1]);
	shim_rq[1].curr = &other[1];
}

static void shot_between_switch_and_leave(void)
{
	shoot_with(user_is_current);
	EXPECT_WARNING("tsk->mm");
	EXPECT(SLOT(1), OWNED(mm_a));
	EXPECT(other[1].active_mm, mm_b);
	EXPECT(arch_lazy_tlb_loaded(1), mm_b);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 1);
	EXPECT(freed(mm_a), false);
}

static struct mm_struct firmware_mm = { .mm_users.counter = 1, .mm_count.counter = 1 };

static void firmware_runs(void)
{
	current->active_mm = &firmware_mm;
	switch_mm_irqs_off(mm_a, &firmware_mm, NULL);
}

static void shot_in_firmware(void)
{
	shoot_with(firmware_runs);
	EXPECT(SLOT(1), OWNED(mm_a));
	EXPECT(kthread[1].active_mm, &firmware_mm);
	EXPECT(freed(mm_a), false);
	on(1);
	kthread[1].active_mm = mm_a;
	switch_mm_irqs_off(&firmware_mm, mm_a, NULL);
	leave(1);
	EXPECT(freed(mm_a), true);
}

static void temporary_mm_is_loaded(void)
{
	switch_mm_irqs_off(mm_a, &firmware_mm, NULL);
}

static void shot_under_temporary_mm(void)
{
	shoot_with(temporary_mm_is_loaded);
	EXPECT(SLOT(1), OWNED(mm_a));
	EXPECT(kthread[1].active_mm, mm_a);
	EXPECT(arch_lazy_tlb_loaded(1), &firmware_mm);
	EXPECT(freed(mm_a), false);
	on(1);
	switch_mm_irqs_off(&firmware_mm, mm_a, NULL);
	leave(1);
	EXPECT(freed(mm_a), true);
}

static void borrow_n_instead(void)
{
	switch_mm_irqs_off(mm_a, mm_b, current);
	EXPECT(lazy_tlb_leave(mm_a), NULL);
	current->active_mm = lazy_tlb_enter(mm_b, current);
}

/* The slot holds mm_b, whose count is not zero: it stays. */
static void shot_with_count(void)
{
	shoot_with(borrow_n_instead);
	EXPECT(SLOT(1), mm_b);
	EXPECT(kthread[1].active_mm, mm_b);
	EXPECT(arch_lazy_tlb_loaded(1), mm_b);
	EXPECT(freed(mm_a), true);
}

static void borrow_n_counted(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow_n_instead();
}

static void shot_with_owned_slot(void)
{
	shoot_with(borrow_n_counted);
	EXPECT(SLOT(1), OWNED(mm_b));
	EXPECT(kthread[1].active_mm, mm_b);
	EXPECT(COUNT(mm_b), 2);
	EXPECT(freed(mm_a), true);
}

static void leave_meanwhile(void)
{
	switch_mm_irqs_off(mm_a, &init_mm, current);
	current->active_mm = &init_mm;
	EXPECT(lazy_tlb_leave(mm_a), NULL);
}

static void shot_with_empty_slot(void)
{
	shoot_with(leave_meanwhile);
	EXPECT(SLOT(1), 0);
	EXPECT(kthread[1].active_mm, &init_mm);
	EXPECT(freed(mm_a), true);
}

/* -- the last flush -------------------------------------------------------- */

/* The flush of @mm's exit on CPU 1. */
static void exit_flush(struct mm_struct *mm)
{
	on(1);
	local_irq_disable();
	lazy_tlb_exit_flush(mm);
	local_irq_enable();
}

static void flush_takes_mm_away(void)
{
	borrow(1, mm_a);
	atomic_set(&mm_a->mm_users, 0);
	exit_flush(mm_a);
	EXPECT(SLOT(1), 0);
	EXPECT(kthread[1].active_mm, &init_mm);
	EXPECT(arch_lazy_tlb_loaded(1), &init_mm);
	EXPECT(lazy(LAZY_TLB_EV_PIGGYBACK), 1);
	drop(mm_a);
	EXPECT(freed(mm_a), true);
}

static void flush_takes_counted_mm_away(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow(1, mm_a);
	atomic_set(&mm_a->mm_users, 0);
	EXPECT(COUNT(mm_a), 2);
	exit_flush(mm_a);
	EXPECT(SLOT(1), 0);
	EXPECT(COUNT(mm_a), 1);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED), 2);
}

/* The caller of the last flush holds a reference. A flush without one warns. */
static void flush_without_reference(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow(1, mm_a);
	atomic_set(&mm_a->mm_users, 0);
	atomic_set(&mm_a->mm_count, 1);
	exit_flush(mm_a);
	EXPECT_WARNING("atomic_dec_and_test");
}

/* A flush with users left, as powerpc's that takes the CPU out of mm_cpumask(). */
static void let_go_in_each_scheme(void)
{
	for (int scheme = 0; scheme < LAZY_TLB_NR_SCHEMES; scheme++) {
		unsigned long piggyback = lazy(LAZY_TLB_EV_PIGGYBACK);

		lazy_tlb_set_scheme(scheme);
		borrow(1, mm_a);
		on(1);
		lazy_tlb_let_go(mm_b);
		EXPECT(kthread[1].active_mm, scheme == LAZY_TLB_NONE ? &init_mm : mm_a);
		lazy_tlb_let_go(mm_a);
		EXPECT(SLOT(1), 0);
		EXPECT(kthread[1].active_mm, &init_mm);
		EXPECT(arch_lazy_tlb_loaded(1), &init_mm);
		EXPECT(COUNT(mm_a), 1);
		EXPECT(lazy(LAZY_TLB_EV_PIGGYBACK) - piggyback, scheme != LAZY_TLB_NONE);
		lazy_tlb_let_go(mm_a);
		EXPECT(COUNT(mm_a), 1);
	}
}

static void last_flush_interrupts_for_shootdown(void)
{
	for (int scheme = 0; scheme < LAZY_TLB_NR_SCHEMES; scheme++) {
		lazy_tlb_set_scheme(scheme);
		EXPECT(lazy_tlb_flush_interrupts(), scheme == LAZY_TLB_SHOOTDOWN);
	}
	*param_lazy_tlb_piggyback() = false;
	EXPECT(lazy_tlb_flush_interrupts(), false);
}

static void flush_changes_nothing(struct mm_struct *mm)
{
	struct mm_struct *active = shim_rq[1].curr->active_mm;

	exit_flush(mm);
	EXPECT(SLOT(1), mm_a);
	EXPECT(shim_rq[1].curr->active_mm, active);
	EXPECT(lazy(LAZY_TLB_EV_PIGGYBACK), 0);
}

static void flush_with_users_left(void)
{
	borrow(1, mm_a);
	flush_changes_nothing(mm_a);
	EXPECT(arch_lazy_tlb_loaded(1), mm_a);
}

static void flush_of_other_mm(void)
{
	borrow(1, mm_a);
	atomic_set(&mm_a->mm_users, 0);
	atomic_set(&mm_b->mm_users, 0);
	flush_changes_nothing(mm_b);
}

/* Under each scheme: the flush of an mm with users, of no mm, and the last one. */
static void flush_in_each_scheme(void)
{
	for (int scheme = 0; scheme < LAZY_TLB_NR_SCHEMES; scheme++) {
		struct mm_struct *mm = mm_alloc();
		unsigned long piggyback = lazy(LAZY_TLB_EV_PIGGYBACK), slot;

		lazy_tlb_set_scheme(scheme);
		borrow(1, mm);
		slot = SLOT(1);
		exit_flush(mm);
		EXPECT(SLOT(1), slot);
		exit_flush(NULL);
		EXPECT(SLOT(1), slot);
		atomic_set(&mm->mm_users, 0);
		exit_flush(mm);
		EXPECT(SLOT(1), 0);
		EXPECT(COUNT(mm), 1);
		EXPECT(lazy(LAZY_TLB_EV_PIGGYBACK) - piggyback, scheme != LAZY_TLB_NONE);
		drop(mm);
		EXPECT(freed(mm), true);
	}
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 0);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED) % 2, 0);
}

static void flush_of_no_mm(void)
{
	borrow(1, mm_a);
	flush_changes_nothing(NULL);
}

static void flush_in_firmware(void)
{
	borrow(1, mm_a);
	atomic_set(&mm_a->mm_users, 0);
	firmware_runs();
	flush_changes_nothing(mm_a);
}

static void flush_between_switch_and_leave(void)
{
	borrow(1, mm_a);
	atomic_set(&mm_a->mm_users, 0);
	user_is_current();
	flush_changes_nothing(mm_a);
	EXPECT_WARNING("tsk->mm");
}

static void flush_switched_off(void)
{
	*param_lazy_tlb_piggyback() = false;
	borrow(1, mm_a);
	atomic_set(&mm_a->mm_users, 0);
	flush_changes_nothing(mm_a);
}

/* exit_mmap()'s flush reaches all lazy CPUs, and the final drop finds no borrower. */
static void flush_of_exit(void)
{
	borrow(1, mm_a);
	borrow(2, mm_a);
	borrow(3, mm_b);
	on(0);
	mmput(mm_a);
	EXPECT(freed(mm_a), true);
	EXPECT(lazy(LAZY_TLB_EV_PIGGYBACK), 2);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 0);
	EXPECT(SLOT(3), mm_b);
}

/* -- leave after a handoff, dead CPUs -------------------------------------- */

/* Handoff came between the interrupt's two steps: active_mm is init_mm, the slot is owned. */
static void leave_after_shot_and_handoff(void)
{
	borrow(1, mm_a);
	drop(mm_a);
	on(1);
	switch_mm_irqs_off(mm_a, &init_mm, current);
	current->active_mm = &init_mm;
	EXPECT(to_init_mm(), mm_a);
}

static void leave_nothing(void)
{
	on(1);
	EXPECT(to_init_mm(), NULL);
	EXPECT(kthread[1].active_mm, &init_mm);
}

static void dead_cpu_with_nothing(void)
{
	lazy_tlb_leave_dead_cpu(2, kthread[2].active_mm);
	EXPECT(shim_mms_freed, 0);
}

static void dead_cpu_with_slot(void)
{
	borrow(2, mm_a);
	run_task(2, &kthread[2]);
	on(0);
	lazy_tlb_leave_dead_cpu(2, kthread[2].active_mm);
	EXPECT(SLOT(2), 0);
	EXPECT(COUNT(mm_a), 1);
	drop(mm_a);
	EXPECT(freed(mm_a), true);
}

static void dead_cpu_with_reference(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow(2, mm_a);
	run_task(2, &kthread[2]);
	on(0);
	lazy_tlb_leave_dead_cpu(2, kthread[2].active_mm);
	EXPECT(COUNT(mm_a), 1);
	EXPECT(freed(mm_a), false);
}

static void dead_cpu_with_last_reference(void)
{
	borrow(2, mm_a);
	drop(mm_a);
	EXPECT(SLOT(2), OWNED(mm_a));
	run_task(2, &kthread[2]);
	on(0);
	lazy_tlb_leave_dead_cpu(2, kthread[2].active_mm);
	EXPECT(freed(mm_a), true);
}

static void cpu_goes_and_comes(void)
{
	borrow(2, mm_a);
	idle_task_exit();
	EXPECT(shim_online.bits[0], 0xb);
	on(0);
	finish_cpu(2);
	EXPECT(SLOT(2), 0);
	EXPECT(kthread[2].active_mm, &init_mm);
	drop(mm_a);
	EXPECT(freed(mm_a), true);
	on(2);
	shim_bring_cpu_up();
	EXPECT(shim_online.bits[0], 0xf);
	borrow(2, mm_b);
	EXPECT(SLOT(2), mm_b);
}

/* -- in the context switch, exec, kernel threads --------------------------- */

static void switch_in_each_scheme(void)
{
	struct task_struct spare = { .comm = "spare" };

	for (int scheme = 0; scheme < LAZY_TLB_NR_SCHEMES; scheme++) {
		bool none = scheme == LAZY_TLB_NONE;

		lazy_tlb_set_scheme(scheme);
		user[1].mm = mm_a;
		run_task(1, &user[1]);
		context_switch(&kthread[1]);
		EXPECT(kthread[1].active_mm, none ? &init_mm : mm_a);
		/* From kernel thread to kernel thread the active mm is passed on. */
		context_switch(&spare);
		EXPECT(kthread[1].active_mm, NULL);
		EXPECT(spare.active_mm, none ? &init_mm : mm_a);
		EXPECT(lazy_tlb_slot_mm(SLOT(1)), none ? NULL : mm_a);
		context_switch(&user[1]);
		EXPECT(spare.active_mm, NULL);
		EXPECT(arch_lazy_tlb_loaded(1), mm_a);
		EXPECT(SLOT(1), 0);
		EXPECT(COUNT(mm_a), 1);
	}
}

static void use_mm_in_each_scheme(void)
{
	for (int scheme = 0; scheme < LAZY_TLB_NR_SCHEMES; scheme++) {
		struct mm_struct *mm = mm_alloc();

		lazy_tlb_set_scheme(scheme);
		borrow(1, mm);
		drop(mm);
		on(1);
		/* The borrowed mm is given back, the used one is counted. */
		kthread_use_mm(mm_b);
		on(3);
		shim_run_work();
		EXPECT(freed(mm), true);
		EXPECT(SLOT(1), 0);
		EXPECT(COUNT(mm_b), 2);
		on(1);
		kthread_unuse_mm(mm_b);
		EXPECT(COUNT(mm_b), scheme == LAZY_TLB_REFCOUNT ? 2 : 1);
		EXPECT(kthread[1].active_mm, scheme == LAZY_TLB_NONE ? &init_mm : mm_b);
		lazy_tlb_put(to_init_mm());
		EXPECT(COUNT(mm_b), 1);
	}
}

static void exec_in_kthread(void)
{
	struct mm_struct *mm_c = mm_alloc();

	borrow(1, mm_a);
	drop(mm_a);
	on(1);
	exec_mmap(mm_c);
	EXPECT(freed(mm_a), true);
	EXPECT(kthread[1].mm, mm_c);
	EXPECT(kthread[1].active_mm, mm_c);
	EXPECT(arch_lazy_tlb_loaded(1), mm_c);
	EXPECT(SLOT(1), 0);
}

static void exit_borrows(void)
{
	user[1].mm = mm_a;
	run_task(1, &user[1]);
	atomic_inc(&mm_a->mm_users);
	exit_mm();
	EXPECT(user[1].mm, NULL);
	EXPECT(user[1].active_mm, mm_a);
	EXPECT(SLOT(1), mm_a);
	on(0);
	mmput(mm_a);
	EXPECT(freed(mm_a), true);
}

static void firmware_call_restores(void)
{
	borrow(1, mm_a);
	efi_call();
	EXPECT(kthread[1].active_mm, mm_a);
	EXPECT(arch_lazy_tlb_loaded(1), mm_a);
	EXPECT(SLOT(1), mm_a);
}

static void temporary_mm_call_restores(void)
{
	borrow(1, mm_a);
	temporary_mm_call();
	EXPECT(kthread[1].active_mm, mm_a);
	EXPECT(arch_lazy_tlb_loaded(1), mm_a);
	EXPECT(SLOT(1), mm_a);
}

static void force_init_mm_gives_back(enum lazy_tlb_scheme scheme)
{
	lazy_tlb_set_scheme(scheme);
	borrow(1, mm_a);
	sched_force_init_mm();
	EXPECT(kthread[1].active_mm, &init_mm);
	EXPECT(arch_lazy_tlb_loaded(1), &init_mm);
	EXPECT(SLOT(1), 0);
	EXPECT(COUNT(mm_a), 1);
}

static void force_init_mm_in_each_scheme(void)
{
	for (enum lazy_tlb_scheme i = 0; i < LAZY_TLB_NR_SCHEMES; i++)
		force_init_mm_gives_back(i);
}

/* -- which CPU runs an mm -------------------------------------------------- */

static void cpu_runs_mm(void)
{
	run_task(1, &other[1]);
	EXPECT(sched_cpu_runs_mm(1, mm_b), true);
	EXPECT(sched_cpu_runs_mm(1, mm_a), false);
	/* A CPU that borrows an mm does not run it. */
	borrow(2, mm_a);
	EXPECT(sched_cpu_runs_mm(2, mm_a), false);
}

/* -- markers --------------------------------------------------------------- */

static void begin_costs_nothing_untracked(void)
{
	struct mm_struct *outer;

	EXPECT(table_walk_tracked(), false);
	TASK_MARK(0) = mm_b;
	outer = table_walk_begin(mm_a);
	EXPECT(outer, NULL);
	EXPECT(TASK_MARK(0), mm_b);
	table_walk_end(outer);
	EXPECT(TASK_MARK(0), mm_b);
}

static void begin_marks_tracked(void)
{
	struct mm_struct *outer, *inner;

	table_sync_set_mode(TABLE_SYNC_TRACKED);
	outer = table_walk_begin(mm_a);
	EXPECT(TASK_MARK(0), mm_a);
	EXPECT(MARK(0), NULL);
	inner = table_walk_begin(mm_a);
	EXPECT(TASK_MARK(0), mm_a);
	table_walk_end(inner);
	EXPECT(TASK_MARK(0), mm_a);
	inner = table_walk_begin(mm_b);
	EXPECT(TASK_MARK(0), TABLE_WALK_ANY);
	table_walk_end(inner);
	EXPECT(TASK_MARK(0), mm_a);
	table_walk_end(outer);
	EXPECT(TASK_MARK(0), NULL);
	EXPECT(TASK_MARK(1), NULL);
}

/* The marker covers the outer walks at every moment, and is restored as walks end. */
static void marker_nests(void)
{
	struct mm_struct *marker = NULL, *first, *second, *third;

	first = table_walk_publish(&marker, mm_a);
	EXPECT(first, NULL);
	second = table_walk_publish(&marker, mm_a);
	third = table_walk_publish(&marker, mm_a);
	EXPECT(marker, mm_a);
	smp_store_release(&marker, third);
	smp_store_release(&marker, second);
	EXPECT(marker, mm_a);

	second = table_walk_publish(&marker, mm_b);
	EXPECT(marker, TABLE_WALK_ANY);
	third = table_walk_publish(&marker, mm_a);
	EXPECT(marker, TABLE_WALK_ANY);
	smp_store_release(&marker, third);
	EXPECT(marker, TABLE_WALK_ANY);
	smp_store_release(&marker, second);
	EXPECT(marker, mm_a);
	smp_store_release(&marker, first);
	EXPECT(marker, NULL);
}

static void mark_in_each_mode(void)
{
	for (int mode = 0; mode < TABLE_SYNC_NONE; mode++) {
		struct mm_struct *outer, *inner, *third;

		table_sync_set_mode(mode);
		outer = table_walk_mark(mm_a);
		EXPECT(outer, NULL);
		EXPECT(MARK(0), mm_a);
		inner = table_walk_mark(mm_b);
		EXPECT(inner, mm_a);
		EXPECT(MARK(0), TABLE_WALK_ANY);
		/* A third walk, inside of both. */
		third = table_walk_mark(mm_b);
		EXPECT(MARK(0), TABLE_WALK_ANY);
		table_walk_unmark(third);
		EXPECT(MARK(0), TABLE_WALK_ANY);
		table_walk_unmark(inner);
		EXPECT(MARK(0), mm_a);
		table_walk_unmark(outer);
		EXPECT(MARK(0), NULL);
		EXPECT(TASK_MARK(0), NULL);
	}
}

/* gup_fast() in an NMI, which interrupts a walk. */
static void walk_in_mark_in_walk(void)
{
	struct mm_struct *outer, *mark, *inner;

	table_sync_set_mode(TABLE_SYNC_TRACKED);
	outer = table_walk_begin(mm_a);
	mark = table_walk_mark(mm_a);
	inner = table_walk_begin(mm_a);
	table_walk_end(inner);
	EXPECT(TASK_MARK(0), mm_a);
	EXPECT(MARK(0), mm_a);
	table_walk_unmark(mark);
	EXPECT(TASK_MARK(0), mm_a);
	EXPECT(MARK(0), NULL);
	table_walk_end(outer);
	EXPECT(TASK_MARK(0), NULL);
}

/* -- which CPUs are interrupted -------------------------------------------- */

/* The state of CPU 1, and whether the modes interrupt it for mm_a. */
static void walks_that_each_mode_expects(void)
{
	static const struct {
		const char *what;
		int task, marked;	/* 0: NULL, 1: mm_a, 2: mm_b, 3: any */
		int runs;		/* 1: mm_a, 2: mm_b */
		bool user, tracked, running;
	} cases[] = {
		{ "nothing" },
		{ "task walks it",		.task = 1, .tracked = true },
		{ "task walks another",		.task = 2 },
		{ "task walks several",		.task = 3, .tracked = true },
		{ "marked",			.marked = 1, .tracked = true, .running = true },
		{ "another marked",		.marked = 2 },
		{ "several marked",		.marked = 3, .tracked = true, .running = true },
		{ "runs it",			.runs = 1, .running = true },
		{ "runs another",		.runs = 2 },
		{ "runs it in user mode",	.runs = 1, .user = true },
		{ "user mode, marked",		.runs = 1, .user = true, .marked = 1,
		  .tracked = true, .running = true },
		{ "walks it, marks another",	.task = 1, .marked = 2, .tracked = true },
		{ "walks another, marks it",	.task = 2, .marked = 1, .tracked = true,
		  .running = true },
		{ "runs another, marks it",	.runs = 2, .marked = 1, .tracked = true,
		  .running = true },
	};
	struct mm_struct *mms[] = { NULL, mm_a, mm_b, TABLE_WALK_ANY };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool tracked, running, broadcast, marked;

		TASK_MARK(1) = mms[cases[i].task];
		MARK(1) = mms[cases[i].marked];
		user[1].mm = mms[cases[i].runs];
		shim_rq[1].curr = cases[i].runs ? &user[1] : &kthread[1];
		start_context(1, true);
		on(1);
		if (cases[i].user)
			user_enter();
		on(0);

		tracked = table_sync_may_walk(TABLE_SYNC_TRACKED, false, 1, mm_a);
		running = table_sync_may_walk(TABLE_SYNC_RUNNING, false, 1, mm_a);
		broadcast = table_sync_may_walk(TABLE_SYNC_BROADCAST, false, 1, mm_a);
		if (tracked != cases[i].tracked)
			fail(__LINE__, "%s: tracked interrupts: %d", cases[i].what, tracked);
		if (running != cases[i].running)
			fail(__LINE__, "%s: running interrupts: %d", cases[i].what, running);
		if (!broadcast)
			fail(__LINE__, "%s: broadcast does not interrupt", cases[i].what);
		EXPECT(table_sync_may_walk(TABLE_SYNC_TRACKED, false, 2, mm_a), false);
		EXPECT(table_sync_may_walk(TABLE_SYNC_RUNNING, false, 2, mm_a), false);

		/* After a flush that interrupts, only marked walks are left. */
		marked = cases[i].marked & 1;
		for (int mode = 0; mode < TABLE_SYNC_NONE; mode++)
			if (table_sync_may_walk(mode, true, 1, mm_a) != marked)
				fail(__LINE__, "%s: mode %d after a flush interrupts: %d",
				     cases[i].what, mode, !marked);
	}
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_USER), 1);
}

/* CPU 0 waits. CPU 1 runs mm_a, CPU 2 is in a marked walk of it, CPU 3 does neither. */
static void sync_by(enum table_sync_mode mode, struct mm_struct *mm, unsigned int flags)
{
	table_sync_set_mode(mode);
	user[1].mm = mm_a;
	run_task(1, &user[1]);
	MARK(2) = mm_a;
	on(0);
	for (int i = 0; i < NR_CPUS; i++)
		shim_interrupts[i] = 0;
	tlb_remove_table_sync_mm(mm, flags);
	EXPECT(current->tables_flushed, NULL);
	EXPECT(syncs(TABLE_SYNC_EV_ASKED), 1);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS) + syncs(TABLE_SYNC_EV_IPIS_SPARED), CPUS - 1);
	EXPECT(preempt_count(), 0);
}

static void sync_broadcast(void)
{
	sync_by(TABLE_SYNC_BROADCAST, mm_a, 0);
	EXPECT(interrupted_cpus(), 0xe);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 3);
	EXPECT(syncs(TABLE_SYNC_EV_BROADCAST), 1);
}

static void sync_running(void)
{
	if (!HAS_RUNNING)
		return;
	sync_by(TABLE_SYNC_RUNNING, mm_a, TABLE_SYNC_CAN_SLEEP);
	EXPECT(interrupted_cpus(), 0x6);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 2);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED), 1);
}

static void sync_tracked(void)
{
	sync_by(TABLE_SYNC_TRACKED, mm_a, 0);
	EXPECT(interrupted_cpus(), 0x4);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 1);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED), 1);
}

static void sync_rcu(void)
{
	sync_by(TABLE_SYNC_RCU, mm_a, TABLE_SYNC_CAN_SLEEP);
	EXPECT(interrupted_cpus(), 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 0);
	EXPECT(syncs(TABLE_SYNC_EV_GRACE_PERIOD), 1);
}

/* As running, or as broadcast on architectures without running. */
static void sync_rcu_without_sleep(void)
{
	sync_by(TABLE_SYNC_RCU, mm_a, 0);
	EXPECT(interrupted_cpus(), HAS_RUNNING ? 0x6 : 0xe);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), HAS_RUNNING ? 2 : 3);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED), HAS_RUNNING);
	EXPECT(syncs(TABLE_SYNC_EV_BROADCAST), !HAS_RUNNING);
	EXPECT(syncs(TABLE_SYNC_EV_GRACE_PERIOD), 0);
}

static void sync_none(void)
{
	sync_by(TABLE_SYNC_NONE, mm_a, 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 0);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED) + syncs(TABLE_SYNC_EV_BROADCAST), 0);
}

/* A wait for an mm that no CPU runs or walks. */
static void sync_of_idle_mm(void)
{
	if (!HAS_RUNNING)
		return;
	sync_by(TABLE_SYNC_RUNNING, mm_b, 0);
	EXPECT(interrupted_cpus(), 0);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED), 1);
}

/* All CPUs are interrupted in each mode, even in mode none and after a flush of no mm. */
static void sync_without_mm(void)
{
	shim_flush_waits = true;
	initcall_table_sync_init();
	for (int mode = 0; mode < TABLE_SYNC_NR_MODES; mode++) {
		table_sync_set_mode(mode);
		interrupted_cpus();
		table_sync_flushed(NULL, true);
		tlb_remove_table_sync_mm(NULL, TABLE_SYNC_CAN_SLEEP);
		EXPECT(interrupted_cpus(), 0xe);
		EXPECT(syncs(TABLE_SYNC_EV_IPIS), 3 * (mode + 1));
		EXPECT(syncs(TABLE_SYNC_EV_BROADCAST), mode + 1);
	}
	EXPECT(syncs(TABLE_SYNC_EV_SKIPPED), 0);
	EXPECT(syncs(TABLE_SYNC_EV_GRACE_PERIOD), 0);
}

static void sync_leaves_own_cpu_out(void)
{
	table_sync_set_mode(TABLE_SYNC_RUNNING);
	user[0].mm = mm_a;
	run_task(0, &user[0]);
	tlb_remove_table_sync_mm(mm_a, 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS_SPARED), 3);
}

static void sync_leaves_offline_cpus_out(void)
{
	table_sync_set_mode(TABLE_SYNC_BROADCAST);
	shim_online.bits[0] = 0x5;
	tlb_remove_table_sync_mm(mm_a, 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 1);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS_SPARED), 0);
}

static void sync_spares_user_mode(void)
{
	if (!HAS_RUNNING)
		return;
	on(1);
	user_enter();
	/* The RCU counter above the state changes and makes no difference. */
	user_exit();
	user_enter();
	sync_by(TABLE_SYNC_RUNNING, mm_a, 0);
	EXPECT(interrupted_cpus(), 0x4);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 1);
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_USER), 1);
}

static void sync_spares_guests(void)
{
	if (!HAS_RUNNING)
		return;
	atomic_set(&per_cpu(context_tracking, 1).state, CT_RCU_WATCHING + CT_STATE_GUEST);
	sync_by(TABLE_SYNC_RUNNING, mm_a, 0);
	EXPECT(interrupted_cpus(), 0x4);
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_USER), 1);
}

static void sync_does_not_spare_idle_state(void)
{
	if (!HAS_RUNNING)
		return;
	atomic_set(&per_cpu(context_tracking, 1).state, CT_RCU_WATCHING + CT_STATE_IDLE);
	sync_by(TABLE_SYNC_RUNNING, mm_a, 0);
	EXPECT(interrupted_cpus(), 0x6);
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_USER), 0);
}

/* On a CPU without context tracking the state doesn't count. */
static void sync_distrusts_state(void)
{
	if (!HAS_RUNNING)
		return;
	start_context(1, false);
	on(1);
	user_enter();
	sync_by(TABLE_SYNC_RUNNING, mm_a, 0);
	EXPECT(interrupted_cpus(), 0x6);
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_USER), 0);
}

/* -- patience -------------------------------------------------------------- */

static int looks;

static void count_looks(void)
{
	looks++;
}

/* CPU 1 goes to user mode, and comes back, before the third look. */
static void pass_through_user_mode(void)
{
	if (++looks != 2)
		return;
	on(1);
	user_enter();
	user_exit();
	on(0);
}

static void become_kernel_thread(void)
{
	if (++looks != 2)
		return;
	run_task(1, &kthread[1]);
	on(0);
}

static void unmark(void)
{
	if (++looks == 2)
		MARK(2) = NULL;
}

/* As sync_by(), with context tracking on CPU 1 only, and some looks. */
static void sync_with_patience(enum table_sync_mode mode, unsigned int us, void (*hook)(void))
{
	for (int i = 0; i < NR_CPUS; i++)
		start_context(i, i == 1);
	initcall_table_sync_init();
	*param_patience_us() = us;
	looks = 0;
	shim_relax_hook = hook;
	sync_by(mode, mm_a, 0);
	shim_relax_hook = NULL;
}

/* It is interrupted in the end, and the CPU without context tracking at once. */
static void patience_ends(void)
{
	if (!HAS_RUNNING)
		return;
	sync_with_patience(TABLE_SYNC_RUNNING, 10, count_looks);
	EXPECT(interrupted_cpus(), 0x6);
	EXPECT(looks, 9);
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_PATIENCE), 0);
	EXPECT(syncs(TABLE_SYNC_EV_LATE_RUNNING), 0);
}

static void patience_off(void)
{
	if (!HAS_RUNNING)
		return;
	sync_with_patience(TABLE_SYNC_RUNNING, 0, count_looks);
	EXPECT(interrupted_cpus(), 0x6);
	EXPECT(looks, 0);
}

static void patience_sees_user_mode(void)
{
	if (!HAS_RUNNING)
		return;
	sync_with_patience(TABLE_SYNC_RUNNING, 10, pass_through_user_mode);
	EXPECT(interrupted_cpus(), 0x4);
	EXPECT(looks, 2);
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_PATIENCE), 1);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 1);
}

static void patience_sees_other_task(void)
{
	if (!HAS_RUNNING)
		return;
	sync_with_patience(TABLE_SYNC_RUNNING, 10, become_kernel_thread);
	EXPECT(interrupted_cpus(), 0x4);
	EXPECT(looks, 2);
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_PATIENCE), 1);
}

/* The next wait begins with no CPU left over. */
static void patience_forgets(void)
{
	if (!HAS_RUNNING)
		return;
	sync_with_patience(TABLE_SYNC_RUNNING, 10, count_looks);
	interrupted_cpus();
	run_task(1, &kthread[1]);
	tlb_remove_table_sync_mm(mm_a, 0);
	EXPECT(interrupted_cpus(), 0x4);
}

/* A mark counts wherever the CPU has been; looking ends when it is gone. */
static void patience_waits_for_marks(void)
{
	initcall_table_sync_init();
	*param_patience_us() = 10;
	for (int mode = 0; mode < TABLE_SYNC_NONE; mode++) {
		/* What rcu does for those that can't sleep. */
		bool patient = mode != TABLE_SYNC_BROADCAST &&
			       (mode != TABLE_SYNC_RCU || HAS_RUNNING);

		table_sync_set_mode(mode);
		for (int i = 0; i < NR_CPUS; i++)
			shim_interrupts[i] = 0;
		on(2);
		user_enter();
		on(0);
		MARK(2) = mm_a;
		looks = 0;
		shim_relax_hook = unmark;
		tlb_remove_table_sync_mm(mm_a, 0);
		shim_relax_hook = NULL;
		EXPECT(looks, patient ? 2 : 0);
		EXPECT(interrupted_cpus(), patient ? 0 : 0xe);
		on(2);
		user_exit();
		on(0);
	}
}

/* Broadcast interrupts everybody at once. */
static void patience_is_not_for_broadcast(void)
{
	sync_with_patience(TABLE_SYNC_BROADCAST, 10, count_looks);
	EXPECT(interrupted_cpus(), 0xe);
	EXPECT(looks, 0);
}

/* CPU 1 leaves the kernel between the last look and the interrupt. */
static void leave_kernel(void)
{
	if (shim_this_cpu != 1)
		return;
	user_enter();
	user_exit();
}

static void late_interrupts_are_counted(void)
{
	if (!HAS_RUNNING)
		return;
	shim_irq_hook = leave_kernel;
	start_context(1, true);
	*param_patience_us() = 0;
	sync_by(TABLE_SYNC_RUNNING, mm_a, 0);
	shim_irq_hook = NULL;
	EXPECT(interrupted_cpus(), 0x6);
	EXPECT(syncs(TABLE_SYNC_EV_LATE_RUNNING), 1);
	EXPECT(syncs(TABLE_SYNC_EV_LATE_TRACKED), 0);
}

static void sync_by_inline(void)
{
	table_sync_set_mode(TABLE_SYNC_BROADCAST);
	tlb_remove_table_sync_mm(mm_a, 0);
	EXPECT(syncs(TABLE_SYNC_EV_BROADCAST), 1);
}

/* -- after a flush --------------------------------------------------------- */

static void skip_after_flush(void)
{
	shim_flush_waits = true;
	initcall_table_sync_init();
	EXPECT(table_sync_flush_waits(), true);
	table_sync_flushed(mm_a, true);
	sync_by(TABLE_SYNC_BROADCAST, mm_a, 0);
	/* CPU 2, whose walk is marked. */
	EXPECT(interrupted_cpus(), 0x4);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 1);
	EXPECT(syncs(TABLE_SYNC_EV_SKIPPED), 1);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED), 0);
}

/* The flush has interrupted a task's own walk, whether the walk is marked or not. */
static void skip_spares_task_walks(void)
{
	shim_flush_waits = true;
	initcall_table_sync_init();
	table_sync_flushed(mm_a, true);
	TASK_MARK(3) = mm_a;
	sync_by(TABLE_SYNC_BROADCAST, mm_a, 0);
	EXPECT(interrupted_cpus(), 0x4);
}

static unsigned long skips(struct mm_struct *mm)
{
	unsigned long before = syncs(TABLE_SYNC_EV_SKIPPED);

	tlb_remove_table_sync_mm(mm, 0);
	return syncs(TABLE_SYNC_EV_SKIPPED) - before;
}

/* In each mode a wait is skipped after one kind of flush; CPU 2's marked walk is waited for. */
static void skip_in_each_mode(void)
{
	shim_flush_waits = true;
	initcall_table_sync_init();
	MARK(2) = mm_a;
	for (int mode = 0; mode < TABLE_SYNC_NONE; mode++) {
		table_sync_set_mode(mode);
		table_sync_changed();
		EXPECT(skips(mm_a), 0);
		table_sync_changed();
		table_sync_flushed(mm_a, false);
		EXPECT(skips(mm_a), 0);
		table_sync_changed();
		table_sync_flushed(mm_b, true);
		EXPECT(skips(mm_a), 0);
		table_sync_flushed(mm_a, true);
		table_sync_changed();
		EXPECT(skips(mm_a), 0);

		for (int i = 0; i < NR_CPUS; i++)
			shim_interrupts[i] = 0;
		table_sync_flushed(mm_a, true);
		EXPECT(skips(mm_a), 1);
		EXPECT(interrupted_cpus(), 0x4);
		EXPECT(skips(mm_a), 0);
	}
}

static void no_skip(struct mm_struct *mm)
{
	sync_by(TABLE_SYNC_BROADCAST, mm, 0);
	EXPECT(interrupted_cpus(), 0xe);
	EXPECT(syncs(TABLE_SYNC_EV_SKIPPED), 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 3);
}

static void no_skip_without_flush(void)
{
	shim_flush_waits = true;
	initcall_table_sync_init();
	no_skip(mm_a);
}

/* The flush left lazy CPUs out. */
static void no_skip_after_other_flush(void)
{
	shim_flush_waits = true;
	initcall_table_sync_init();
	table_sync_flushed(mm_a, false);
	no_skip(mm_a);
}

static void no_skip_after_flush_of_other_mm(void)
{
	shim_flush_waits = true;
	initcall_table_sync_init();
	table_sync_flushed(mm_b, true);
	no_skip(mm_a);
}

static void no_skip_after_flush_by_other_task(void)
{
	shim_flush_waits = true;
	initcall_table_sync_init();
	on(3);
	table_sync_flushed(mm_a, true);
	no_skip(mm_a);
	EXPECT(kthread[3].tables_flushed, mm_a);
}

static void no_skip_if_flush_came_before(void)
{
	shim_flush_waits = true;
	initcall_table_sync_init();
	table_sync_flushed(mm_a, true);
	table_sync_changed();
	no_skip(mm_a);
}

/* A flush counts for one wait, skipped or not, in any mode. */
static void no_skip_twice(void)
{
	shim_flush_waits = true;
	initcall_table_sync_init();
	for (int mode = 0; mode < TABLE_SYNC_NR_MODES; mode++) {
		table_sync_set_mode(mode);
		table_sync_flushed(mm_a, true);
		tlb_remove_table_sync_mm(mm_a, 0);
		EXPECT(current->tables_flushed, NULL);
		table_sync_flushed(mm_a, true);
		tlb_remove_table_sync_mm(mm_b, 0);
		EXPECT(current->tables_flushed, NULL);
	}
}

static void no_skip_if_flush_does_not_wait(void)
{
	initcall_table_sync_init();
	EXPECT(table_sync_flush_waits(), false);
	table_sync_flushed(mm_a, true);
	no_skip(mm_a);
}

static void no_skip_by_parameter(void)
{
	*param_table_sync_skip() = false;
	shim_flush_waits = true;
	initcall_table_sync_init();
	EXPECT(table_sync_flush_waits(), false);
}

/* -- the mode -------------------------------------------------------------- */

static void mode_at_boot(void)
{
	EXPECT(table_sync_get_mode(), HAS_RUNNING ? TABLE_SYNC_RUNNING : TABLE_SYNC_BROADCAST);
	/* True is safe until the initcall has found out whether flushes wait. */
	EXPECT(table_sync_each_sharer(), true);
	initcall_table_sync_init();
	EXPECT(table_sync_each_sharer(), HAS_RUNNING);
}

static void each_sharer_in_each_mode(void)
{
	for (int i = 0; i < 2 * TABLE_SYNC_NR_MODES; i++) {
		int mode = i % TABLE_SYNC_NR_MODES;

		shim_flush_waits = i >= TABLE_SYNC_NR_MODES;
		initcall_table_sync_init();
		table_sync_set_mode(mode);
		EXPECT(table_sync_get_mode(), mode);
		EXPECT(table_sync_each_sharer(), shim_flush_waits || mode != TABLE_SYNC_BROADCAST);
		/* The initcall may come after the mode was chosen. */
		initcall_table_sync_init();
		EXPECT(table_sync_each_sharer(), shim_flush_waits || mode != TABLE_SYNC_BROADCAST);
		EXPECT(table_walk_tracked(), mode == TABLE_SYNC_TRACKED);
	}
}

/* No CPU is interrupted unless markers have to be reset. */
static void mode_interrupts_for_markers_only(void)
{
	table_sync_set_mode(TABLE_SYNC_RCU);
	table_sync_set_mode(TABLE_SYNC_BROADCAST);
	EXPECT(interrupted_cpus(), 0);
	table_sync_set_mode(TABLE_SYNC_TRACKED);
	EXPECT(interrupted_cpus(), 0xe);
	table_sync_set_mode(TABLE_SYNC_TRACKED);
	EXPECT(interrupted_cpus(), 0);
	table_sync_set_mode(TABLE_SYNC_RCU);
	EXPECT(interrupted_cpus(), 0xe);
}

static void mode_resets_markers(void)
{
	table_sync_set_mode(TABLE_SYNC_TRACKED);
	for (int i = 0; i < CPUS; i++) {
		TASK_MARK(i) = mm_a;
		MARK(i) = mm_a;
	}
	table_sync_set_mode(TABLE_SYNC_TRACKED);
	EXPECT(TASK_MARK(2), mm_a);
	table_sync_set_mode(TABLE_SYNC_RCU);
	for (int i = 0; i < CPUS; i++) {
		EXPECT(TASK_MARK(i), NULL);
		/* Marked walks are marked in every mode. */
		EXPECT(MARK(i), mm_a);
	}
}

/* From each mode to each: the mode itself, the patched code, and the markers left behind. */
static void mode_changes_from_each_to_each(void)
{
	for (int from = 0; from < TABLE_SYNC_NONE; from++) {
		for (int to = 0; to < TABLE_SYNC_NONE; to++) {
			table_sync_set_mode(from);
			EXPECT(table_walk_tracked(), from == TABLE_SYNC_TRACKED);
			/* A walk that began before the patch leaves its marker behind. */
			if (from == TABLE_SYNC_TRACKED && to != from)
				TASK_MARK(3) = mm_a;
			table_sync_set_mode(to);
			EXPECT(table_sync_get_mode(), to);
			EXPECT(table_walk_tracked(), to == TABLE_SYNC_TRACKED);
			for (int cpu = 0; cpu < CPUS; cpu++)
				EXPECT(TASK_MARK(cpu), NULL);
		}
	}
}

/* A walk that finds its table reused warns: stress relies on it. */
static void walk_of_foreign_table(void)
{
	user[1].mm = mm_a;
	run_task(1, &user[1]);
	gup_fast();
	EXPECT(warning[0], 0);
	reuse_table(mm_a->table);
	gup_fast();
	EXPECT_WARNING("reused");
	change_table(mm_a);
	gup_fast();
	EXPECT(warning[0], 0);
}

/* -- kernel threads on an mm whose flushes leave out other CPUs -------------- */

#define KTHREADS(mm)	atomic_read(&(mm)->kthreads)

static void flush_here_by_only_user(void)
{
	user[0].mm = mm_a;
	run_task(0, &user[0]);
	EXPECT(mm_flush_here_begin(mm_a), true);
	EXPECT(KTHREADS(mm_a), MM_KTHREADS_HELD);
	/* Another flush doesn't hold it as well. */
	EXPECT(mm_flush_here_begin(mm_a), false);
	mm_flush_here_end(mm_a);
	EXPECT(KTHREADS(mm_a), 0);
}

static void flush_here_without_users(void)
{
	mm_a->mm_users.counter = 0;
	on(1);
	EXPECT(mm_flush_here_begin(mm_a), true);
	mm_flush_here_end(mm_a);
	mm_kthread_enter(mm_a);
	EXPECT(mm_flush_here_begin(mm_a), false);
	mm_kthread_leave(mm_a);
	EXPECT(KTHREADS(mm_a), 0);
}

static void no_flush_here_with_another_user(void)
{
	user[0].mm = mm_a;
	run_task(0, &user[0]);
	mm_a->mm_users.counter = 2;
	EXPECT(mm_flush_here_begin(mm_a), false);
	EXPECT(KTHREADS(mm_a), 0);
	/* The only user is not the current task: kswapd flushes. */
	mm_a->mm_users.counter = 1;
	on(1);
	EXPECT(mm_flush_here_begin(mm_a), false);
	EXPECT(KTHREADS(mm_a), 0);
}

static void no_flush_here_with_kthread(void)
{
	user[0].mm = mm_a;
	run_task(0, &user[0]);
	on(1);
	kthread_use_mm(mm_a);
	EXPECT(KTHREADS(mm_a), 1);
	/* Nor by the kernel thread itself, whose ->mm it is. */
	EXPECT(mm_flush_here_begin(mm_a), false);
	on(0);
	EXPECT(mm_flush_here_begin(mm_a), false);
	on(1);
	kthread_unuse_mm(mm_a);
	EXPECT(KTHREADS(mm_a), 0);
	on(0);
	EXPECT(mm_flush_here_begin(mm_a), true);
	mm_flush_here_end(mm_a);
}

/* -- all of them ----------------------------------------------------------- */

struct test {
	const char *name;
	void (*fn)(void);
};

#define T(fn) { #fn, fn }

static const struct test tests[] = {
	T(slot_says_what_it_holds), T(mask_has_its_own_lines), T(init_clears_mask),
	T(enter_refcount), T(enter_hazard), T(enter_shootdown), T(enter_none),
	T(put_nothing), T(put_last_reference), T(sync_core_of_same_mm),
	T(check_enter_slot_in_use), T(check_enter_preemptible), T(check_enter_init_mm),
	T(check_free_slot), T(check_free_active_mm), T(check_free_loaded),
	T(drop_without_borrowers), T(drop_after_borrower), T(drop_with_borrower_of_another),
	T(handoff_to_one), T(handoff_to_two), T(handoff_to_itself),
	T(handoff_passes_over_others), T(counted_borrower_keeps_mm),
	T(borrowers_of_two_schemes), T(drop_in_each_pair_of_schemes),
	T(leave_in_each_pair_of_schemes),
	T(leave_at_any_time_of_handoff), T(leave_at_any_time_of_shootdown),
	T(shootdown_moves_borrowers), T(shootdown_after_shootdown), T(shootdown_spares_others), T(shootdown_spares_isolated),
	T(hazard_interrupts_nobody),
	T(shootdown_of_own_cpu), T(shootdown_of_a_batch),
	T(shootdown_after_all_left), T(shootdown_without_borrowers), T(shootdown_of_offline_cpu),
	T(shot_between_switch_and_leave), T(shot_in_firmware),
	T(shot_under_temporary_mm), T(shot_with_count),
	T(shot_with_owned_slot), T(shot_with_empty_slot),
	T(flush_takes_mm_away), T(flush_takes_counted_mm_away), T(flush_without_reference),
	T(flush_with_users_left), T(flush_in_each_scheme), T(flush_of_other_mm),
	T(let_go_in_each_scheme), T(last_flush_interrupts_for_shootdown),
	T(flush_of_no_mm), T(flush_in_firmware),
	T(flush_between_switch_and_leave), T(flush_switched_off), T(flush_of_exit),
	T(leave_after_shot_and_handoff), T(leave_nothing),
	T(dead_cpu_with_nothing), T(dead_cpu_with_slot), T(dead_cpu_with_reference),
	T(dead_cpu_with_last_reference), T(cpu_goes_and_comes),
	T(switch_in_each_scheme), T(use_mm_in_each_scheme), T(exec_in_kthread), T(exit_borrows),
	T(firmware_call_restores),
	T(temporary_mm_call_restores), T(force_init_mm_in_each_scheme), T(cpu_runs_mm),
	T(begin_costs_nothing_untracked), T(begin_marks_tracked), T(marker_nests),
	T(mark_in_each_mode),
	T(walk_in_mark_in_walk), T(walks_that_each_mode_expects),
	T(sync_broadcast), T(sync_running), T(sync_tracked), T(sync_rcu),
	T(sync_rcu_without_sleep), T(sync_none), T(sync_without_mm),
	T(sync_of_idle_mm), T(sync_leaves_own_cpu_out),
	T(sync_leaves_offline_cpus_out), T(sync_spares_user_mode),
	T(sync_spares_guests), T(sync_does_not_spare_idle_state), T(sync_distrusts_state),
	T(patience_ends), T(patience_off), T(patience_sees_user_mode), T(patience_sees_other_task),
	T(patience_forgets), T(patience_waits_for_marks), T(patience_is_not_for_broadcast),
	T(late_interrupts_are_counted),
	T(sync_by_inline),
	T(skip_after_flush), T(skip_spares_task_walks), T(skip_in_each_mode),
	T(no_skip_without_flush), T(no_skip_after_other_flush),
	T(no_skip_after_flush_of_other_mm), T(no_skip_after_flush_by_other_task),
	T(no_skip_if_flush_came_before), T(no_skip_twice), T(no_skip_if_flush_does_not_wait),
	T(no_skip_by_parameter),
	T(mode_at_boot), T(each_sharer_in_each_mode),
	T(mode_interrupts_for_markers_only), T(mode_resets_markers),
	T(mode_changes_from_each_to_each), T(walk_of_foreign_table),
	T(flush_here_by_only_user), T(flush_here_without_users),
	T(no_flush_here_with_another_user), T(no_flush_here_with_kthread),
};

#define NR_TESTS (sizeof(tests) / sizeof(tests[0]))

static bool run(const struct test *test)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("unit: fork");
		exit(2);
	}
	if (!pid) {
		test_name = test->name;
		set_up();
		test->fn();
		if (warning[0])
			fail(0, "an unexpected warning: %s", warning);
		if (!failed)
			printf("ok   %s\n", test->name);
		fflush(stdout);
		_exit(failed);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status))
		printf("FAIL %s: ended by signal %d\n", test->name, WTERMSIG(status));
	return !status;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: unit [-l] [TEST]...\n"
		"Runs all tests of the core, or those named; -l lists them. Prints a line for each\n"
		"test, and 'N passed, N failed' at the end.\n"
		"Exit status 1: a test failed; 2: wrong use, or no process for a test.\n");
}

static const struct test *find(const char *name)
{
	for (size_t i = 0; i < NR_TESTS; i++)
		if (!strcmp(name, tests[i].name))
			return &tests[i];
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int passed = 0, bad = 0;

	initcall_lazy_tlb_shoot_init();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-h")) {
			usage(stdout);
			return 0;
		}
		if (!strcmp(argv[i], "-l")) {
			for (size_t j = 0; j < NR_TESTS; j++)
				printf("%s\n", tests[j].name);
			return 0;
		}
		if (!find(argv[i])) {
			fprintf(stderr, "unit: there is no test '%s'; -l lists them\n", argv[i]);
			return 2;
		}
	}
	for (size_t i = 0; argc == 1 && i < NR_TESTS; i++)
		run(&tests[i]) ? passed++ : bad++;
	for (int i = 1; i < argc; i++)
		run(find(argv[i])) ? passed++ : bad++;
	printf("%u passed, %u failed\n", passed, bad);
	return bad != 0;
}
