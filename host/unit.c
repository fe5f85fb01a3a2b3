// SPDX-License-Identifier: GPL-2.0
/*
 * The functions of the core one by one, and in short sequences. One thread plays all
 * CPUs: what a CPU does is what is written after on(). Each test is a process of its own.
 */
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native.h"

int early_lazy_tlb_piggyback_setup(char *str);
int early_table_sync_skip_setup(char *str);

#define CPUS 4
/* A CPU that is possible, and stays offline. There is a hole in front of it. */
#define NEVER_ONLINE 6

/* -- what is expected ---------------------------------------------------------- */

static const char *test_name;
static bool failed;
static char warning[200], error[200];

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

static void expect_text(int line, char *text, const char *want)
{
	if (!strstr(text, want))
		fail(line, "expected a message with '%s', got '%s'", want, text);
	text[0] = '\0';
}

#define EXPECT(got, want) expect(__LINE__, #got, (unsigned long)(got), (unsigned long)(want))
#define EXPECT_WARNING(text) expect_text(__LINE__, warning, text)
#define EXPECT_ERROR(text) expect_text(__LINE__, error, text)

static void note_warning(const char *text)
{
	if (warning[0])
		fail(0, "an unexpected warning: %s", warning);
	snprintf(warning, sizeof(warning), "%s", text);
}

static void note_error(const char *text)
{
	snprintf(error, sizeof(error), "%s", text);
}

/* -- who is there -------------------------------------------------------------- */

/* n has a user for ever, m is what tests are about. */
static struct mm_struct *m, *n;
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
	shim_err_hook = note_error;
	shim_online.bits[0] = (1UL << CPUS) - 1;
	shim_possible.bits[0] = shim_online.bits[0] | 1UL << NEVER_ONLINE;
	for (int i = 0; i < NR_CPUS; i++)
		start_context(i, true);
	m = mm_alloc();
	n = mm_alloc();
	for (int i = 0; i < CPUS; i++) {
		kthread[i].comm = user[i].comm = other[i].comm = "test";
		other[i].mm = other[i].active_mm = n;
		run_task(i, &kthread[i]);
	}
	on(0);
}

/* A user task of @mm ran on @cpu; now a kernel thread does, and the task is elsewhere. */
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

/* What is left of mmput() without its flush. */
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

/* The mode running, and what uses it, is not for all architectures. */
#define HAS_RUNNING	IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING)

#define lazy(ev)	shim_lazy_events(ev)
#define syncs(ev)	shim_sync_events(ev)

/* The CPUs that others have interrupted since the last call, none of them twice. */
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

/* -- slot and mask ------------------------------------------------------------- */

static void slot_says_what_it_holds(void)
{
	EXPECT((unsigned long)m & LAZY_TLB_OWNED, 0);
	EXPECT(lazy_tlb_slot_mm((unsigned long)m), m);
	EXPECT(lazy_tlb_slot_mm(OWNED(m)), m);
	EXPECT(lazy_tlb_slot_owned((unsigned long)m), NULL);
	EXPECT(lazy_tlb_slot_owned(OWNED(m)), m);
	EXPECT(lazy_tlb_slot_owned(0), NULL);
}

static void mask_has_its_own_lines(void)
{
	unsigned int end = lazy_tlb_layout(sizeof(struct mm_struct));

	EXPECT((unsigned long)mm_lazy(m) % SMP_CACHE_BYTES, 0);
	EXPECT((char *)mm_lazy(m) >= (char *)(m + 1), true);
	EXPECT(end % SMP_CACHE_BYTES, 0);
	EXPECT((char *)(lazy_tlb_borrowers(m) + 1) <= (char *)m + end, true);
	/* The bit that enter tests is the one of that mask. */
	for (int cpu = 0; cpu < CPUS; cpu++) {
		MASK(m) = 1UL << cpu;
		for (int i = 0; i < CPUS; i++)
			EXPECT(test_bit(per_cpu(lazy_tlb_slot.bit, i), (unsigned long *)m),
			       i == cpu);
	}
	EXPECT(per_cpu(lazy_tlb_slot.bit, NEVER_ONLINE), per_cpu(lazy_tlb_slot.bit, 0) + NEVER_ONLINE);
	MASK(m) = 0;
	/* Whatever the size, to the next line. */
	lazy_tlb_layout(SMP_CACHE_BYTES);
	EXPECT(lazy_tlb_offset, SMP_CACHE_BYTES);
	lazy_tlb_layout(SMP_CACHE_BYTES + 1);
	EXPECT(lazy_tlb_offset, 2 * SMP_CACHE_BYTES);
	/* On a large machine the mask has several lines. */
	shim_cpumask_bytes = 512;
	EXPECT(lazy_tlb_layout(SMP_CACHE_BYTES) >= SMP_CACHE_BYTES + sizeof(struct lazy_tlb) + 512,
	       true);
}

static void init_clears_mask(void)
{
	MASK(m) = ~0UL;
	lazy_tlb_init(m);
	EXPECT(MASK(m), 0);
}

/* -- enter and leave ----------------------------------------------------------- */

/* By the current kernel thread, which had m until now. */
static struct mm_struct *enter(enum lazy_tlb_scheme scheme)
{
	struct mm_struct *active;

	lazy_tlb_set_scheme(scheme);
	EXPECT(lazy_tlb_get_scheme(), scheme);
	on(1);
	switch_mm_irqs_off(&init_mm, m, current);
	local_irq_disable();
	active = current->active_mm = lazy_tlb_enter(m, current);
	local_irq_enable();
	EXPECT(lazy(LAZY_TLB_EV_ENTER), 1);
	return active;
}

/* To init_mm. What leave returns is the mm whose reference the slot held, if any. */
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
	EXPECT(enter(LAZY_TLB_REFCOUNT), m);
	EXPECT(SLOT(1), OWNED(m));
	EXPECT(COUNT(m), 2);
	EXPECT(MASK(m), 0);
	EXPECT(arch_lazy_tlb_loaded(1), m);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED), 1);
	EXPECT(leave_by_hand(), m);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED), 2);
	EXPECT(COUNT(m), 2);
	lazy_tlb_put(m);
	EXPECT(COUNT(m), 1);
}

static void enter_slot(enum lazy_tlb_scheme scheme)
{
	EXPECT(enter(scheme), m);
	EXPECT(SLOT(1), m);
	EXPECT(COUNT(m), 1);
	EXPECT(MASK(m), 1 << 1);
	EXPECT(arch_lazy_tlb_loaded(1), m);
	EXPECT(leave_by_hand(), NULL);
	/* Sticky. */
	EXPECT(MASK(m), 1 << 1);
	EXPECT(COUNT(m), 1);
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
	EXPECT(COUNT(m), 1);
	EXPECT(MASK(m), 0);
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
	lazy_tlb_put(m);
	EXPECT(freed(m), true);
	lazy_tlb_finish(n);
	EXPECT(freed(n), true);
}

/* SYNC_CORE, if the mm stays and wants it. */
static void sync_core_of_same_mm(void)
{
	unsigned int *fetched = &per_cpu(shim_code_fetched, 0);

	shim_code++;
	lazy_tlb_sync_core(m, m);
	EXPECT(*fetched, 0);
	m->membarrier_state.counter = MEMBARRIER_STATE_PRIVATE_EXPEDITED_SYNC_CORE;
	lazy_tlb_sync_core(m, n);
	lazy_tlb_sync_core(n, m);
	EXPECT(*fetched, 0);
	lazy_tlb_sync_core(m, m);
	EXPECT(*fetched, shim_code);
}

/* -- the check at enter and free ----------------------------------------------- */

static void check_enter_slot_in_use(void)
{
	borrow(1, m);
	preempt_disable();
	lazy_tlb_check_enter(n);
	EXPECT_WARNING("in use");
	preempt_enable();
}

static void check_enter_preemptible(void)
{
	lazy_tlb_check_enter(m);
	EXPECT_WARNING("preemption enabled");
	local_irq_disable();
	lazy_tlb_check_enter(m);
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
	SLOT(2) = OWNED(m);
	lazy_tlb_check_free(m);
	EXPECT_WARNING("slot of CPU 2");
	lazy_tlb_check_free(n);
	EXPECT(warning[0], 0);
}

static void check_free_active_mm(void)
{
	kthread[3].active_mm = m;
	lazy_tlb_check_free(m);
	EXPECT_WARNING("active_mm of test[4] on CPU 3");
}

static void check_free_loaded(void)
{
	on(1);
	switch_mm_irqs_off(&init_mm, m, current);
	lazy_tlb_check_free(m);
	EXPECT_WARNING("loaded on CPU 1");
}

/* -- the final drop ------------------------------------------------------------ */

static void drop_without_borrowers(void)
{
	drop(m);
	EXPECT(freed(m), true);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_FREE), 1);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_BORROWED), 0);
}

static void drop_after_borrower(void)
{
	borrow(1, m);
	leave(1);
	EXPECT(MASK(m), 1 << 1);
	drop(m);
	EXPECT(freed(m), true);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 0);
}

/* It borrowed m once, and another mm now. */
static void drop_with_borrower_of_another(void)
{
	borrow(1, m);
	leave(1);
	borrow(1, n);
	drop(m);
	EXPECT(freed(m), true);
	EXPECT(SLOT(1), n);
}

static void handoff_to_one(void)
{
	borrow(1, m);
	drop(m);
	EXPECT(freed(m), false);
	EXPECT(SLOT(1), OWNED(m));
	EXPECT(COUNT(m), 1);
	EXPECT(MASK(m), 0);
	EXPECT(kthread[1].active_mm, m);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 1);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_BORROWED), 1);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_FREE), 0);
	leave(1);
	EXPECT(freed(m), true);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_FREE), 1);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED) % 2, 0);
}

static void handoff_to_two(void)
{
	borrow(1, m);
	borrow(2, m);
	drop(m);
	EXPECT(SLOT(1), OWNED(m));
	EXPECT(SLOT(2), OWNED(m));
	EXPECT(COUNT(m), 2);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 2);
	leave(2);
	EXPECT(freed(m), false);
	EXPECT(COUNT(m), 1);
	leave(1);
	EXPECT(freed(m), true);
	EXPECT(shim_mms_freed, 1);
}

/* The CPU that drops is the one that borrows. */
static void handoff_to_itself(void)
{
	borrow(0, m);
	drop(m);
	EXPECT(SLOT(0), OWNED(m));
	leave(0);
	EXPECT(freed(m), true);
}

static void handoff_passes_over_others(void)
{
	borrow(1, m);
	leave(1);
	borrow(2, m);
	borrow(3, m);
	leave(3);
	borrow(3, n);
	drop(m);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 1);
	EXPECT(SLOT(2), OWNED(m));
	EXPECT(SLOT(3), n);
	leave(2);
	EXPECT(freed(m), true);
}

static void counted_borrower_keeps_mm(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow(1, m);
	drop(m);
	EXPECT(COUNT(m), 1);
	EXPECT(lazy(LAZY_TLB_EV_FINAL_BORROWED), 0);
	leave(1);
	EXPECT(freed(m), true);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 0);
}

/* The last counted borrower hands off to the one that isn't. */
static void borrowers_of_two_schemes(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow(1, m);
	lazy_tlb_set_scheme(LAZY_TLB_HAZARD);
	borrow(2, m);
	drop(m);
	EXPECT(COUNT(m), 1);
	EXPECT(SLOT(2), m);
	leave(1);
	EXPECT(freed(m), false);
	EXPECT(SLOT(2), OWNED(m));
	leave(2);
	EXPECT(freed(m), true);
}

/* Under each scheme a borrower, under each other one the drop. */
static void each_pair_of_schemes(void)
{
	for (int from = 0; from < LAZY_TLB_NR_SCHEMES; from++) {
		for (int to = 0; to < LAZY_TLB_NR_SCHEMES; to++) {
			struct mm_struct *mm = mm_alloc();
			unsigned long before = shim_mms_freed;
			bool slots = from == LAZY_TLB_HAZARD || from == LAZY_TLB_SHOOTDOWN;

			lazy_tlb_set_scheme(from);
			borrow(1, mm);
			borrow(2, mm);
			lazy_tlb_set_scheme(to);
			drop(mm);
			EXPECT(shim_mms_freed, before + (from == LAZY_TLB_NONE));
			on(3);
			EXPECT(shim_run_work(), slots && to == LAZY_TLB_SHOOTDOWN);
			leave(1);
			leave(2);
			EXPECT(shim_mms_freed, before + 1);
			EXPECT(freed(mm), true);
			run_task(1, &kthread[1]);
			run_task(2, &kthread[2]);
		}
	}
	EXPECT(lazy(LAZY_TLB_EV_COUNTED) % 2, 0);
}

/* -- CPU 1 leaves before each access of the final drop, one at a time ---------- */

static bool left;

static void leave_now(void)
{
	int cpu = shim_this_cpu;

	left = true;
	/* In its own interrupt it doesn't. */
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
	/* One was increment and undo. */
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

/* -- shootdown ----------------------------------------------------------------- */

static void shootdown_moves_borrowers(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, m);
	borrow(2, m);
	borrow(3, n);
	drop(m);
	EXPECT(freed(m), false);
	EXPECT(SLOT(1), m);
	on(0);
	EXPECT(shim_run_work(), true);
	EXPECT(freed(m), true);
	for (int i = 1; i < 3; i++) {
		EXPECT(SLOT(i), 0);
		EXPECT(kthread[i].active_mm, &init_mm);
		EXPECT(arch_lazy_tlb_loaded((unsigned int)i), &init_mm);
	}
	EXPECT(SLOT(3), n);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 2);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_RECEIVED), 2);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 0);
	EXPECT(shim_run_work(), false);
}

/* A CPU that was a target once is not interrupted again. */
static void shootdown_after_shootdown(void)
{
	struct mm_struct *o = mm_alloc();

	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, m);
	borrow(2, m);
	drop(m);
	on(0);
	shim_run_work();
	EXPECT(interrupted_cpus(), 0x6);
	borrow(3, o);
	drop(o);
	on(0);
	shim_run_work();
	EXPECT(interrupted_cpus(), 0x8);
	EXPECT(shim_mms_freed, 2);
}

/* A CPU that borrowed m once is in its mask, which is no reason to interrupt it. */
static void shootdown_spares_others(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, m);
	leave(1);
	borrow(1, n);
	borrow(2, m);
	leave(2);
	borrow(3, m);
	drop(m);
	on(0);
	shim_run_work();
	EXPECT(interrupted_cpus(), 0x8);
}

static void shootdown_of_own_cpu(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, m);
	drop(m);
	on(1);
	EXPECT(shim_run_work(), true);
	EXPECT(freed(m), true);
	EXPECT(kthread[1].active_mm, &init_mm);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 0);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_RECEIVED), 0);
}

static void shootdown_of_a_batch(void)
{
	struct mm_struct *o = mm_alloc();

	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, m);
	borrow(2, o);
	borrow(3, o);
	drop(m);
	drop(o);
	on(0);
	EXPECT(shim_run_work(), true);
	EXPECT(shim_mms_freed, 2);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 3);
	EXPECT(shim_run_work(), false);
}

/* Nobody is interrupted, there is nothing to wait for. */
static void shootdown_after_all_left(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, m);
	drop(m);
	leave(1);
	EXPECT(freed(m), false);
	on(0);
	EXPECT(shim_run_work(), true);
	EXPECT(freed(m), true);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 0);
}

static void shootdown_without_borrowers(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, m);
	leave(1);
	drop(m);
	EXPECT(freed(m), true);
	EXPECT(shim_run_work(), false);
}

/* CPUs that are offline get no interrupt. */
static void shootdown_of_offline_cpu(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(3, m);
	idle_task_exit();
	drop(m);
	on(0);
	EXPECT(shim_run_work(), true);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_SENT), 0);
	EXPECT(SLOT(3), OWNED(m));
	finish_cpu(3);
	EXPECT(freed(m), true);
}

/* What happens on CPU 1 after it was found to borrow m, and before the interrupt. */
static void (*meanwhile)(void);

static void interrupted(void)
{
	if (shim_this_cpu == 1 && meanwhile)
		meanwhile();
}

static void shoot_with(void (*fn)(void))
{
	lazy_tlb_set_scheme(LAZY_TLB_SHOOTDOWN);
	borrow(1, m);
	drop(m);
	meanwhile = fn;
	shim_irq_hook = interrupted;
	on(0);
	EXPECT(shim_run_work(), true);
	EXPECT(lazy(LAZY_TLB_EV_SHOOTDOWN_RECEIVED), 1);
}

/* Nobody changes ->mm and the slot in two steps with interrupts on: that is said. */
static void user_is_current(void)
{
	switch_mm_irqs_off(m, n, &other[1]);
	kthread[1].active_mm = NULL;
	set_current(&other[1]);
	shim_rq[1].curr = &other[1];
}

static void shot_between_switch_and_leave(void)
{
	shoot_with(user_is_current);
	EXPECT_WARNING("tsk->mm");
	EXPECT(SLOT(1), OWNED(m));
	EXPECT(other[1].active_mm, n);
	EXPECT(arch_lazy_tlb_loaded(1), n);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 1);
	EXPECT(freed(m), false);
}

static struct mm_struct firmware_mm = { .mm_users.counter = 1, .mm_count.counter = 1 };

static void firmware_runs(void)
{
	current->active_mm = &firmware_mm;
	switch_mm_irqs_off(m, &firmware_mm, NULL);
}

static void shot_in_firmware(void)
{
	shoot_with(firmware_runs);
	EXPECT(SLOT(1), OWNED(m));
	EXPECT(kthread[1].active_mm, &firmware_mm);
	EXPECT(freed(m), false);
	on(1);
	kthread[1].active_mm = m;
	switch_mm_irqs_off(&firmware_mm, m, NULL);
	leave(1);
	EXPECT(freed(m), true);
}

static void borrow_n_instead(void)
{
	switch_mm_irqs_off(m, n, current);
	EXPECT(lazy_tlb_leave(m), NULL);
	current->active_mm = lazy_tlb_enter(n, current);
}

/* n has references: it isn't the one to shoot. */
static void shot_with_count(void)
{
	shoot_with(borrow_n_instead);
	EXPECT(SLOT(1), n);
	EXPECT(kthread[1].active_mm, n);
	EXPECT(arch_lazy_tlb_loaded(1), n);
	EXPECT(freed(m), true);
}

static void borrow_n_counted(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow_n_instead();
}

static void shot_with_owned_slot(void)
{
	shoot_with(borrow_n_counted);
	EXPECT(SLOT(1), OWNED(n));
	EXPECT(kthread[1].active_mm, n);
	EXPECT(COUNT(n), 2);
	EXPECT(freed(m), true);
}

static void leave_meanwhile(void)
{
	switch_mm_irqs_off(m, &init_mm, current);
	current->active_mm = &init_mm;
	EXPECT(lazy_tlb_leave(m), NULL);
}

static void shot_with_empty_slot(void)
{
	shoot_with(leave_meanwhile);
	EXPECT(SLOT(1), 0);
	EXPECT(kthread[1].active_mm, &init_mm);
	EXPECT(freed(m), true);
}

/* -- the last flush ------------------------------------------------------------ */

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
	borrow(1, m);
	atomic_set(&m->mm_users, 0);
	exit_flush(m);
	EXPECT(SLOT(1), 0);
	EXPECT(kthread[1].active_mm, &init_mm);
	EXPECT(arch_lazy_tlb_loaded(1), &init_mm);
	EXPECT(lazy(LAZY_TLB_EV_PIGGYBACK), 1);
	drop(m);
	EXPECT(freed(m), true);
}

static void flush_takes_counted_mm_away(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow(1, m);
	atomic_set(&m->mm_users, 0);
	EXPECT(COUNT(m), 2);
	exit_flush(m);
	EXPECT(SLOT(1), 0);
	EXPECT(COUNT(m), 1);
	EXPECT(lazy(LAZY_TLB_EV_COUNTED), 2);
}

/* Who flushes has a reference; if not, that is said. */
static void flush_without_reference(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow(1, m);
	atomic_set(&m->mm_users, 0);
	atomic_set(&m->mm_count, 1);
	exit_flush(m);
	EXPECT_WARNING("atomic_dec_and_test");
}

static void flush_changes_nothing(struct mm_struct *mm)
{
	struct mm_struct *active = shim_rq[1].curr->active_mm;

	exit_flush(mm);
	EXPECT(SLOT(1), m);
	EXPECT(shim_rq[1].curr->active_mm, active);
	EXPECT(lazy(LAZY_TLB_EV_PIGGYBACK), 0);
}

static void flush_with_users_left(void)
{
	borrow(1, m);
	flush_changes_nothing(m);
	EXPECT(arch_lazy_tlb_loaded(1), m);
}

static void flush_of_other_mm(void)
{
	borrow(1, m);
	atomic_set(&m->mm_users, 0);
	atomic_set(&n->mm_users, 0);
	flush_changes_nothing(n);
}

static void flush_of_no_mm(void)
{
	borrow(1, m);
	flush_changes_nothing(NULL);
}

static void flush_in_firmware(void)
{
	borrow(1, m);
	atomic_set(&m->mm_users, 0);
	firmware_runs();
	flush_changes_nothing(m);
}

static void flush_between_switch_and_leave(void)
{
	borrow(1, m);
	atomic_set(&m->mm_users, 0);
	user_is_current();
	flush_changes_nothing(m);
	EXPECT_WARNING("tsk->mm");
}

static void flush_switched_off(void)
{
	char off[] = "off";

	EXPECT(early_lazy_tlb_piggyback_setup(off), 0);
	borrow(1, m);
	atomic_set(&m->mm_users, 0);
	flush_changes_nothing(m);
}

/* As exit does it: the flush reaches all lazy CPUs, the drop finds nobody. */
static void flush_of_exit(void)
{
	borrow(1, m);
	borrow(2, m);
	borrow(3, n);
	on(0);
	mmput(m);
	EXPECT(freed(m), true);
	EXPECT(lazy(LAZY_TLB_EV_PIGGYBACK), 2);
	EXPECT(lazy(LAZY_TLB_EV_HANDOFF), 0);
	EXPECT(SLOT(3), n);
}

/* -- a final drop first, dead CPUs --------------------------------------------- */

/* A final drop was there first: active_mm is init_mm, the slot is owned. */
static void leave_after_shot_and_handoff(void)
{
	borrow(1, m);
	drop(m);
	on(1);
	switch_mm_irqs_off(m, &init_mm, current);
	current->active_mm = &init_mm;
	EXPECT(to_init_mm(), m);
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
	borrow(2, m);
	run_task(2, &kthread[2]);
	on(0);
	lazy_tlb_leave_dead_cpu(2, kthread[2].active_mm);
	EXPECT(SLOT(2), 0);
	EXPECT(COUNT(m), 1);
	drop(m);
	EXPECT(freed(m), true);
}

static void dead_cpu_with_reference(void)
{
	lazy_tlb_set_scheme(LAZY_TLB_REFCOUNT);
	borrow(2, m);
	run_task(2, &kthread[2]);
	on(0);
	lazy_tlb_leave_dead_cpu(2, kthread[2].active_mm);
	EXPECT(COUNT(m), 1);
	EXPECT(freed(m), false);
}

static void dead_cpu_with_last_reference(void)
{
	borrow(2, m);
	drop(m);
	EXPECT(SLOT(2), OWNED(m));
	run_task(2, &kthread[2]);
	on(0);
	lazy_tlb_leave_dead_cpu(2, kthread[2].active_mm);
	EXPECT(freed(m), true);
}

static void cpu_goes_and_comes(void)
{
	borrow(2, m);
	idle_task_exit();
	EXPECT(shim_online.bits[0], 0xb);
	on(0);
	finish_cpu(2);
	EXPECT(SLOT(2), 0);
	EXPECT(kthread[2].active_mm, &init_mm);
	drop(m);
	EXPECT(freed(m), true);
	on(2);
	shim_bring_cpu_up();
	EXPECT(shim_online.bits[0], 0xf);
	borrow(2, n);
	EXPECT(SLOT(2), n);
}

/* -- in the context switch, exec, kernel threads ------------------------------- */

static void switch_in_each_scheme(void)
{
	struct task_struct spare = { .comm = "spare" };

	for (int scheme = 0; scheme < LAZY_TLB_NR_SCHEMES; scheme++) {
		bool none = scheme == LAZY_TLB_NONE;

		lazy_tlb_set_scheme(scheme);
		user[1].mm = m;
		run_task(1, &user[1]);
		context_switch(&kthread[1]);
		EXPECT(kthread[1].active_mm, none ? &init_mm : m);
		/* kernel -> kernel passes it on */
		context_switch(&spare);
		EXPECT(kthread[1].active_mm, NULL);
		EXPECT(spare.active_mm, none ? &init_mm : m);
		EXPECT(lazy_tlb_slot_mm(SLOT(1)), none ? NULL : m);
		context_switch(&user[1]);
		EXPECT(spare.active_mm, NULL);
		EXPECT(arch_lazy_tlb_loaded(1), m);
		EXPECT(SLOT(1), 0);
		EXPECT(COUNT(m), 1);
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
		/* What it borrowed goes, what it uses is counted. */
		kthread_use_mm(n);
		on(3);
		shim_run_work();
		EXPECT(freed(mm), true);
		EXPECT(SLOT(1), 0);
		EXPECT(COUNT(n), 2);
		on(1);
		kthread_unuse_mm(n);
		EXPECT(COUNT(n), scheme == LAZY_TLB_REFCOUNT ? 2 : 1);
		EXPECT(kthread[1].active_mm, scheme == LAZY_TLB_NONE ? &init_mm : n);
		lazy_tlb_put(to_init_mm());
		EXPECT(COUNT(n), 1);
	}
}

static void exec_in_kthread(void)
{
	struct mm_struct *o = mm_alloc();

	borrow(1, m);
	drop(m);
	on(1);
	exec_mmap(o);
	EXPECT(freed(m), true);
	EXPECT(kthread[1].mm, o);
	EXPECT(kthread[1].active_mm, o);
	EXPECT(arch_lazy_tlb_loaded(1), o);
	EXPECT(SLOT(1), 0);
}

static void exit_borrows(void)
{
	user[1].mm = m;
	run_task(1, &user[1]);
	atomic_inc(&m->mm_users);
	exit_mm();
	EXPECT(user[1].mm, NULL);
	EXPECT(user[1].active_mm, m);
	EXPECT(SLOT(1), m);
	on(0);
	mmput(m);
	EXPECT(freed(m), true);
}

static void firmware_call_restores(void)
{
	borrow(1, m);
	efi_call();
	EXPECT(kthread[1].active_mm, m);
	EXPECT(arch_lazy_tlb_loaded(1), m);
	EXPECT(SLOT(1), m);
}

/* -- which CPU runs an mm ------------------------------------------------------ */

static void cpu_runs_mm(void)
{
	run_task(1, &other[1]);
	EXPECT(sched_cpu_runs_mm(1, n), true);
	EXPECT(sched_cpu_runs_mm(1, m), false);
	/* To borrow is not to run. */
	borrow(2, m);
	EXPECT(sched_cpu_runs_mm(2, m), false);
}

/* -- markers ------------------------------------------------------------------- */

static void begin_costs_nothing_untracked(void)
{
	struct mm_struct *outer;

	EXPECT(table_walk_tracked(), false);
	TASK_MARK(0) = n;
	outer = table_walk_begin(m);
	EXPECT(outer, NULL);
	EXPECT(TASK_MARK(0), n);
	table_walk_end(outer);
	EXPECT(TASK_MARK(0), n);
}

static void begin_marks_tracked(void)
{
	struct mm_struct *outer, *inner;

	table_sync_set_mode(TABLE_SYNC_TRACKED);
	outer = table_walk_begin(m);
	EXPECT(TASK_MARK(0), m);
	EXPECT(MARK(0), NULL);
	inner = table_walk_begin(m);
	EXPECT(TASK_MARK(0), m);
	table_walk_end(inner);
	EXPECT(TASK_MARK(0), m);
	inner = table_walk_begin(n);
	EXPECT(TASK_MARK(0), TABLE_WALK_ANY);
	table_walk_end(inner);
	EXPECT(TASK_MARK(0), m);
	table_walk_end(outer);
	EXPECT(TASK_MARK(0), NULL);
	EXPECT(TASK_MARK(1), NULL);
}

static void mark_in_each_mode(void)
{
	for (int mode = 0; mode < TABLE_SYNC_NONE; mode++) {
		struct mm_struct *outer, *inner, *third;

		table_sync_set_mode(mode);
		outer = table_walk_mark(m);
		EXPECT(outer, NULL);
		EXPECT(MARK(0), m);
		inner = table_walk_mark(n);
		EXPECT(inner, m);
		EXPECT(MARK(0), TABLE_WALK_ANY);
		/* Inside of both. */
		third = table_walk_mark(n);
		EXPECT(MARK(0), TABLE_WALK_ANY);
		table_walk_unmark(third);
		EXPECT(MARK(0), TABLE_WALK_ANY);
		table_walk_unmark(inner);
		EXPECT(MARK(0), m);
		table_walk_unmark(outer);
		EXPECT(MARK(0), NULL);
		EXPECT(TASK_MARK(0), NULL);
	}
}

/* gup_fast() in an NMI, in a walk. */
static void walk_in_mark_in_walk(void)
{
	struct mm_struct *outer, *mark, *inner;

	table_sync_set_mode(TABLE_SYNC_TRACKED);
	outer = table_walk_begin(m);
	mark = table_walk_mark(m);
	inner = table_walk_begin(m);
	table_walk_end(inner);
	EXPECT(TASK_MARK(0), m);
	EXPECT(MARK(0), m);
	table_walk_unmark(mark);
	EXPECT(TASK_MARK(0), m);
	EXPECT(MARK(0), NULL);
	table_walk_end(outer);
	EXPECT(TASK_MARK(0), NULL);
}

/* -- who is interrupted -------------------------------------------------------- */

/* For mm m, on CPU 1. */
static void condition_of_each_mode(void)
{
	static const struct {
		const char *what;
		int task, marked;	/* 0: NULL, 1: m, 2: n, 3: any */
		int runs;		/* 1: m, 2: n */
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
	struct mm_struct *mms[] = { NULL, m, n, TABLE_WALK_ANY };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool tracked, running, broadcast;

		TASK_MARK(1) = mms[cases[i].task];
		MARK(1) = mms[cases[i].marked];
		user[1].mm = mms[cases[i].runs];
		shim_rq[1].curr = cases[i].runs ? &user[1] : &kthread[1];
		start_context(1, true);
		on(1);
		if (cases[i].user)
			user_enter();
		on(0);

		tracked = table_sync_cond(TABLE_SYNC_TRACKED)(1, m);
		running = table_sync_cond(TABLE_SYNC_RUNNING)(1, m);
		broadcast = table_sync_cond(TABLE_SYNC_BROADCAST)(1, m);
		if (tracked != cases[i].tracked)
			fail(__LINE__, "%s: tracked interrupts: %d", cases[i].what, tracked);
		if (running != cases[i].running)
			fail(__LINE__, "%s: running interrupts: %d", cases[i].what, running);
		if (!broadcast)
			fail(__LINE__, "%s: broadcast does not interrupt", cases[i].what);
		EXPECT(table_sync_cond(TABLE_SYNC_TRACKED)(2, m), false);
		EXPECT(table_sync_cond(TABLE_SYNC_RUNNING)(2, m), false);
	}
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_USER), 1);
}

/* CPU 1 runs m, CPU 2 walks it, marked, CPU 3 has nothing of it; CPU 0 waits. */
static void sync_by(enum table_sync_mode mode, struct mm_struct *mm, unsigned int flags)
{
	table_sync_set_mode(mode);
	user[1].mm = m;
	run_task(1, &user[1]);
	MARK(2) = m;
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
	sync_by(TABLE_SYNC_BROADCAST, m, 0);
	EXPECT(interrupted_cpus(), 0xe);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 3);
	EXPECT(syncs(TABLE_SYNC_EV_BROADCAST), 1);
}

static void sync_running(void)
{
	if (!HAS_RUNNING)
		return;
	sync_by(TABLE_SYNC_RUNNING, m, TABLE_SYNC_CAN_SLEEP);
	EXPECT(interrupted_cpus(), 0x6);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 2);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED), 1);
}

static void sync_tracked(void)
{
	sync_by(TABLE_SYNC_TRACKED, m, 0);
	EXPECT(interrupted_cpus(), 0x4);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 1);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED), 1);
}

static void sync_rcu(void)
{
	sync_by(TABLE_SYNC_RCU, m, TABLE_SYNC_CAN_SLEEP);
	EXPECT(interrupted_cpus(), 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 0);
	EXPECT(syncs(TABLE_SYNC_EV_GRACE_PERIOD), 1);
}

/* As running, or broadcast where that isn't allowed. */
static void sync_rcu_without_sleep(void)
{
	sync_by(TABLE_SYNC_RCU, m, 0);
	EXPECT(interrupted_cpus(), HAS_RUNNING ? 0x6 : 0xe);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), HAS_RUNNING ? 2 : 3);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED), HAS_RUNNING);
	EXPECT(syncs(TABLE_SYNC_EV_BROADCAST), !HAS_RUNNING);
	EXPECT(syncs(TABLE_SYNC_EV_GRACE_PERIOD), 0);
}

static void sync_none(void)
{
	sync_by(TABLE_SYNC_NONE, m, 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 0);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED) + syncs(TABLE_SYNC_EV_BROADCAST), 0);
}

static void sync_without_mm(void)
{
	sync_by(TABLE_SYNC_TRACKED, NULL, 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 3);
	EXPECT(syncs(TABLE_SYNC_EV_BROADCAST), 1);
}

/* Not even under none, and a flush of no mm waits for nobody. */
static void sync_without_mm_never_skips(void)
{
	shim_flush_waits = true;
	initcall_table_sync_flush_init();
	table_sync_flushed(NULL, true);
	sync_by(TABLE_SYNC_NONE, NULL, TABLE_SYNC_CAN_SLEEP);
	EXPECT(interrupted_cpus(), 0xe);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 3);
	EXPECT(syncs(TABLE_SYNC_EV_SKIPPED), 0);
}

static void sync_leaves_own_cpu_out(void)
{
	table_sync_set_mode(TABLE_SYNC_RUNNING);
	user[0].mm = m;
	run_task(0, &user[0]);
	tlb_remove_table_sync_mm(m, 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS_SPARED), 3);
}

static void sync_leaves_offline_cpus_out(void)
{
	table_sync_set_mode(TABLE_SYNC_BROADCAST);
	shim_online.bits[0] = 0x5;
	tlb_remove_table_sync_mm(m, 0);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 1);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS_SPARED), 0);
}

static void sync_spares_user_mode(void)
{
	if (!HAS_RUNNING)
		return;
	on(1);
	user_enter();
	/* The bits of RCU above the state make no difference. */
	user_exit();
	user_enter();
	sync_by(TABLE_SYNC_RUNNING, m, 0);
	EXPECT(interrupted_cpus(), 0x4);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 1);
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_USER), 1);
}

/* Neither idle nor guest is user mode. */
static void sync_spares_user_mode_only(void)
{
	if (!HAS_RUNNING)
		return;
	atomic_set(&per_cpu(context_tracking, 1).state, CT_RCU_WATCHING + CT_STATE_GUEST);
	sync_by(TABLE_SYNC_RUNNING, m, 0);
	EXPECT(interrupted_cpus(), 0x6);
	atomic_set(&per_cpu(context_tracking, 1).state, CT_RCU_WATCHING + CT_STATE_IDLE);
	tlb_remove_table_sync_mm(m, 0);
	EXPECT(interrupted_cpus(), 0x6);
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_USER), 0);
}

/* The state of a CPU without context tracking is no evidence. */
static void sync_distrusts_state(void)
{
	if (!HAS_RUNNING)
		return;
	start_context(1, false);
	on(1);
	user_enter();
	sync_by(TABLE_SYNC_RUNNING, m, 0);
	EXPECT(interrupted_cpus(), 0x6);
	EXPECT(syncs(TABLE_SYNC_EV_SPARED_USER), 0);
}

static void sync_by_inline(void)
{
	table_sync_set_mode(TABLE_SYNC_BROADCAST);
	tlb_remove_table_sync_mm(m, 0);
	EXPECT(syncs(TABLE_SYNC_EV_BROADCAST), 1);
}

/* -- after a flush ------------------------------------------------------------- */

static void skip_after_flush(void)
{
	shim_flush_waits = true;
	initcall_table_sync_flush_init();
	EXPECT(table_sync_flush_waits(), true);
	table_sync_flushed(m, true);
	sync_by(TABLE_SYNC_BROADCAST, m, 0);
	/* The marked one. */
	EXPECT(interrupted_cpus(), 0x4);
	EXPECT(syncs(TABLE_SYNC_EV_IPIS), 1);
	EXPECT(syncs(TABLE_SYNC_EV_SKIPPED), 1);
	EXPECT(syncs(TABLE_SYNC_EV_TARGETED), 0);
}

/* A task's own walk has met the flush, whether it is marked or not. */
static void skip_spares_task_walks(void)
{
	shim_flush_waits = true;
	initcall_table_sync_flush_init();
	table_sync_flushed(m, true);
	TASK_MARK(3) = m;
	sync_by(TABLE_SYNC_BROADCAST, m, 0);
	EXPECT(interrupted_cpus(), 0x4);
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
	initcall_table_sync_flush_init();
	no_skip(m);
}

/* It left lazy CPUs out. */
static void no_skip_after_other_flush(void)
{
	shim_flush_waits = true;
	initcall_table_sync_flush_init();
	table_sync_flushed(m, false);
	no_skip(m);
}

static void no_skip_after_flush_of_other_mm(void)
{
	shim_flush_waits = true;
	initcall_table_sync_flush_init();
	table_sync_flushed(n, true);
	no_skip(m);
}

static void no_skip_after_flush_by_other_task(void)
{
	shim_flush_waits = true;
	initcall_table_sync_flush_init();
	on(3);
	table_sync_flushed(m, true);
	no_skip(m);
	EXPECT(kthread[3].tables_flushed, m);
}

static void no_skip_if_flush_came_before(void)
{
	shim_flush_waits = true;
	initcall_table_sync_flush_init();
	table_sync_flushed(m, true);
	table_sync_changed();
	no_skip(m);
}

/* A flush is good for one wait, skipped or not, in any mode. */
static void no_skip_twice(void)
{
	shim_flush_waits = true;
	initcall_table_sync_flush_init();
	for (int mode = 0; mode < TABLE_SYNC_NR_MODES; mode++) {
		table_sync_set_mode(mode);
		table_sync_flushed(m, true);
		tlb_remove_table_sync_mm(m, 0);
		EXPECT(current->tables_flushed, NULL);
		table_sync_flushed(m, true);
		tlb_remove_table_sync_mm(n, 0);
		EXPECT(current->tables_flushed, NULL);
	}
}

static void no_skip_if_flush_does_not_wait(void)
{
	initcall_table_sync_flush_init();
	EXPECT(table_sync_flush_waits(), false);
	table_sync_flushed(m, true);
	no_skip(m);
}

static void no_skip_by_parameter(void)
{
	char off[] = "off";

	shim_flush_waits = true;
	EXPECT(early_table_sync_skip_setup(off), 0);
	initcall_table_sync_flush_init();
	EXPECT(table_sync_flush_waits(), false);
}

/* -- boot parameters ----------------------------------------------------------- */

static void parameter(int (*setup)(char *), const char *name)
{
	char on[] = "on", off[] = "off", other_text[] = "maybe";
	char said[60];

	EXPECT(setup(other_text), 0);
	snprintf(said, sizeof(said), "%s=maybe: neither on nor off, it stays on", name);
	EXPECT_ERROR(said);
	EXPECT(setup(NULL), 0);
	snprintf(said, sizeof(said), "%s=: neither on nor off", name);
	EXPECT_ERROR(said);
	EXPECT(setup(off), 0);
	EXPECT(error[0], 0);
	EXPECT(setup(other_text), 0);
	EXPECT_ERROR("it stays off");
	EXPECT(setup(on), 0);
	EXPECT(error[0], 0);
}

static void parameter_piggyback(void)
{
	parameter(early_lazy_tlb_piggyback_setup, "lazy_tlb_piggyback");
}

static void parameter_skip(void)
{
	parameter(early_table_sync_skip_setup, "table_sync_skip");
}

/* -- the mode ------------------------------------------------------------------ */

static void mode_at_boot(void)
{
	EXPECT(table_sync_get_mode(), HAS_RUNNING ? TABLE_SYNC_RUNNING : TABLE_SYNC_BROADCAST);
	/* The safe answer, until it is known whether flushes wait. */
	EXPECT(table_sync_each_sharer(), true);
	initcall_table_sync_flush_init();
	EXPECT(table_sync_each_sharer(), HAS_RUNNING);
}

static void each_sharer_in_each_mode(void)
{
	for (int i = 0; i < 2 * TABLE_SYNC_NR_MODES; i++) {
		int mode = i % TABLE_SYNC_NR_MODES;

		shim_flush_waits = i >= TABLE_SYNC_NR_MODES;
		initcall_table_sync_flush_init();
		table_sync_set_mode(mode);
		EXPECT(table_sync_get_mode(), mode);
		EXPECT(table_sync_each_sharer(), shim_flush_waits || mode != TABLE_SYNC_BROADCAST);
		/* The initcall may come after the mode was chosen. */
		initcall_table_sync_flush_init();
		EXPECT(table_sync_each_sharer(), shim_flush_waits || mode != TABLE_SYNC_BROADCAST);
		EXPECT(table_walk_tracked(), mode == TABLE_SYNC_TRACKED);
	}
}

/* Nobody is interrupted unless markers have to be reset. */
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
		TASK_MARK(i) = m;
		MARK(i) = m;
	}
	table_sync_set_mode(TABLE_SYNC_TRACKED);
	EXPECT(TASK_MARK(2), m);
	table_sync_set_mode(TABLE_SYNC_RCU);
	for (int i = 0; i < CPUS; i++) {
		EXPECT(TASK_MARK(i), NULL);
		/* These are true in every mode. */
		EXPECT(MARK(i), m);
	}
}

/* What tells the stress that a walk was not waited for, does. */
static void walk_of_foreign_table(void)
{
	user[1].mm = m;
	run_task(1, &user[1]);
	gup_fast();
	EXPECT(warning[0], 0);
	reuse_table(m->table);
	gup_fast();
	EXPECT_WARNING("in other hands");
	change_table(m);
	gup_fast();
	EXPECT(warning[0], 0);
}

/* -- all of them --------------------------------------------------------------- */

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
	T(borrowers_of_two_schemes), T(each_pair_of_schemes),
	T(leave_at_any_time_of_handoff), T(leave_at_any_time_of_shootdown),
	T(shootdown_moves_borrowers), T(shootdown_after_shootdown), T(shootdown_spares_others),
	T(shootdown_of_own_cpu), T(shootdown_of_a_batch),
	T(shootdown_after_all_left), T(shootdown_without_borrowers), T(shootdown_of_offline_cpu),
	T(shot_between_switch_and_leave), T(shot_in_firmware), T(shot_with_count),
	T(shot_with_owned_slot), T(shot_with_empty_slot),
	T(flush_takes_mm_away), T(flush_takes_counted_mm_away), T(flush_without_reference),
	T(flush_with_users_left), T(flush_of_other_mm), T(flush_of_no_mm), T(flush_in_firmware),
	T(flush_between_switch_and_leave), T(flush_switched_off), T(flush_of_exit),
	T(leave_after_shot_and_handoff), T(leave_nothing),
	T(dead_cpu_with_nothing), T(dead_cpu_with_slot), T(dead_cpu_with_reference),
	T(dead_cpu_with_last_reference), T(cpu_goes_and_comes),
	T(switch_in_each_scheme), T(use_mm_in_each_scheme), T(exec_in_kthread), T(exit_borrows),
	T(firmware_call_restores), T(cpu_runs_mm),
	T(begin_costs_nothing_untracked), T(begin_marks_tracked), T(mark_in_each_mode),
	T(walk_in_mark_in_walk), T(condition_of_each_mode),
	T(sync_broadcast), T(sync_running), T(sync_tracked), T(sync_rcu),
	T(sync_rcu_without_sleep), T(sync_none), T(sync_without_mm),
	T(sync_without_mm_never_skips), T(sync_leaves_own_cpu_out),
	T(sync_leaves_offline_cpus_out), T(sync_spares_user_mode), T(sync_spares_user_mode_only), T(sync_distrusts_state),
	T(sync_by_inline),
	T(skip_after_flush), T(skip_spares_task_walks), T(no_skip_without_flush), T(no_skip_after_other_flush),
	T(no_skip_after_flush_of_other_mm), T(no_skip_after_flush_by_other_task),
	T(no_skip_if_flush_came_before), T(no_skip_twice), T(no_skip_if_flush_does_not_wait),
	T(no_skip_by_parameter), T(parameter_piggyback), T(parameter_skip),
	T(mode_at_boot), T(each_sharer_in_each_mode),
	T(mode_interrupts_for_markers_only), T(mode_resets_markers), T(walk_of_foreign_table),
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
		"Runs all tests of the core, or those named; -l lists them. Prints a line a test, at\n"
		"the end 'N passed, N failed'; exit status 1 if one failed.\n");
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
