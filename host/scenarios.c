// SPDX-License-Identifier: GPL-2.0
/*
 * The small cases of which the explorer tries every order. CPU 2 often has nothing to do:
 * it is where work items run.
 */
#include "explore.h"
#include "mm/table_sync.h"

static const char * const scheme_names[] = { "refcount", "none", "hazard", "shootdown" };
static const char * const mode_names[] = { "broadcast", "rcu", "tracked", "running" };

#define NR_MODES 4

/* -- who is there -------------------------------------------------------------------- */

static struct mm_struct *m, *n;
static struct task_struct a, b, a2;		/* user tasks: of m, of n, of m */
static struct task_struct kthread[MAX_CPUS];
static unsigned int to;				/* the scheme or mode to change to */

static void user_task(struct task_struct *task, struct mm_struct *mm, const char *name)
{
	task->mm = task->active_mm = mm;
	name_memory(task, sizeof(*task), "%s", name);
}

/* m has one user, A, who runs on CPU 0; kernel threads run on the others. */
static void people(void)
{
	for (int i = 0; i < MAX_CPUS; i++)
		name_memory(&kthread[i], sizeof(kthread[i]), "kernel thread %d", i);
	m = mm_alloc();
	n = mm_alloc();
	n->table = 8;
	user_task(&a, m, "task A");
	user_task(&a2, m, "task A2");
	user_task(&b, n, "task B");
	start_task(0, &a);
	start_task(1, &kthread[1]);
	start_task(2, &kthread[2]);
}

/* n has users for ever; m must have been freed, once: twice is noticed earlier. */
static void m_is_free(void)
{
	if (!m->freed)
		violation("m is not free, its count is %d", m->mm_count.counter);
	if (n->freed || n->mm_count.counter != 1)
		violation("n: count %d, should be 1", n->mm_count.counter);
	for (int i = 0; i < MAX_CPUS; i++)
		if (per_cpu(lazy_mm_slot.val, i))
			violation("the slot of CPU %d is not empty", i);
}

static void name_scheme(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s", scheme_names[value]);
}

static void name_pair_of_schemes(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s to %s", scheme_names[value / LAZY_MM_NR_SCHEMES],
		 scheme_names[value % LAZY_MM_NR_SCHEMES]);
}

static void name_pair_of_modes(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s to %s", mode_names[value / NR_MODES],
		 mode_names[value % NR_MODES]);
}

static void by_scheme(unsigned int value)
{
	lazy_mm_set_scheme(value);
	people();
}

/* -- exit: A ends on CPU 1 while CPU 0 borrows its mm ------------------------------------- */

/* What the flush of exit finds is not its concern here. */
static void last_put(struct mm_struct *mm)
{
	if (atomic_dec_and_test(&mm->mm_users))
		mmdrop(mm);
}

static void borrow_and_leave(void)
{
	context_switch(&kthread[0]);
	context_switch(&b);
}

static void exit_elsewhere(void)
{
	context_switch(&a);
	exit_mm();
	kthread_use_mm(n);
}

/* Just the final drop, no flush before it. */
static bool a_is_nowhere(void *unused)
{
	return !mem_load(&a.pid, sizeof(int), MEM_ORDERED);
}

static void drop_elsewhere(void)
{
	shim_wait(a_is_nowhere, NULL);
	last_put(m);
}

/* The news that A is done travels without order: enter alone has to see to it. */
static int told;

static void borrow_and_tell(void)
{
	context_switch(&kthread[0]);
	WRITE_ONCE(told, 1);
	context_switch(&b);
}

static bool is_told(void *unused)
{
	return mem_load(&told, sizeof(told), MEM_RELAXED);
}

static void drop_when_told(void)
{
	shim_wait(is_told, NULL);
	last_put(m);
}

/* kthread_use_mm(n) counted n. */
static void exit_check(void)
{
	atomic_dec(&n->mm_count);
	m_is_free();
}

/* -- two CPUs borrow, the third drops ----------------------------------------------------------- */

static void two_people(unsigned int value)
{
	by_scheme(value);
	start_task(1, &a2);
}

static void borrow_too(void)
{
	context_switch(&kthread[1]);
	kthread_use_mm(n);
}

static bool both_are_nowhere(void *unused)
{
	return !mem_load(&a.pid, sizeof(int), MEM_ORDERED) &&
	       !mem_load(&a2.pid, sizeof(int), MEM_ORDERED);
}

static void drop_both(void)
{
	shim_wait(both_are_nowhere, NULL);
	last_put(m);
}

/* -- one CPU borrows two mms, one after the other, both end ---------------------------------------- */

static struct task_struct c;
static struct mm_struct *o;
static bool c_ran;

static void two_mms(unsigned int value)
{
	by_scheme(value);
	o = mm_alloc();
	user_task(&c, o, "task C");
}

static void borrow_both(void)
{
	context_switch(&kthread[0]);
	context_switch(&c);
	c_ran = true;
	context_switch(&kthread[0]);
	context_switch(&b);
}

static bool c_was_here(void *unused)
{
	return c_ran && !mem_load(&c.pid, sizeof(int), MEM_ORDERED);
}

static void drop_both_mms(void)
{
	drop_elsewhere();
	shim_wait(c_was_here, NULL);
	last_put(o);
}

static void both_are_free(void)
{
	if (!o->freed)
		violation("o is not free, its count is %d", o->mm_count.counter);
	m_is_free();
}

/* -- the scheme changes meanwhile --------------------------------------------------------------------- */

static void from_to(unsigned int value)
{
	by_scheme(value / LAZY_MM_NR_SCHEMES);
	to = value % LAZY_MM_NR_SCHEMES;
}

static void change_scheme(void)
{
	lazy_mm_set_scheme(to);
}

/* The IPI for m finds o, which another scheme hands off at the same time. */
static void two_mms_from_to(unsigned int value)
{
	two_mms(value / LAZY_MM_NR_SCHEMES);
	to = value % LAZY_MM_NR_SCHEMES;
}

static void drop_both_mms_and_change(void)
{
	drop_elsewhere();
	lazy_mm_set_scheme(to);
	shim_wait(c_was_here, NULL);
	last_put(o);
}

/* -- other ways in and out ---------------------------------------------------------------------------- */

static void use_other_mm(void)
{
	context_switch(&kthread[0]);
	kthread_use_mm(n);
	kthread_unuse_mm(n);
	context_switch(&b);
}

/* A kernel thread executes a program. */
static void exec_in_kthread(void)
{
	context_switch(&kthread[0]);
	mmgrab(n);
	exec_mmap(n);
}

static void call_firmware(void)
{
	context_switch(&kthread[0]);
	efi_call();
	context_switch(&b);
}

static void go_offline(void)
{
	context_switch(&kthread[0]);
	idle_task_exit();
}

static void offline_and_drop(void)
{
	drop_elsewhere();
	finish_cpu(0);
}

static void finish_and_exit(void)
{
	finish_cpu(0);
	drop_elsewhere();
}

/* -- walks of page tables ------------------------------------------------------------------------------- */

static void name_mode(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", mode_names[value % NR_MODES],
		 value < NR_MODES ? "" : " can't sleep");
}

static unsigned int flags;

static void mode(unsigned int value)
{
	table_sync_mode = value % NR_MODES;
	table_walk_tracked_key.enabled = table_sync_mode == TABLE_SYNC_TRACKED;
	flags = value < NR_MODES ? TABLE_SYNC_CAN_SLEEP : 0;
	people();
	start_task(1, &a2);
	m->mm_users.counter = 2;
}

/* Somebody takes a table of m out, waits, and gives it to somebody else. */
static void take_table(void)
{
	unsigned int table = change_table(m);

	__tlb_remove_table_sync_mm(m, flags);
	reuse_table(table);
}

static void walk_once(void)
{
	gup_fast();
}

static void walk_twice(void)
{
	gup_fast();
	gup_fast();
}

static void switch_and_walk(void)
{
	context_switch(&kthread[0]);
	context_switch(&a);
	gup_fast();
}

static void start_with_b(unsigned int value)
{
	mode(value);
	start_task(0, &b);
}

static void switch_user_and_walk(void)
{
	context_switch(&a);
	gup_fast();
}

static void walk_and_switch(void)
{
	gup_fast();
	context_switch(&b);
}

static void walk_and_exit(void)
{
	gup_fast();
	exit_mm();
}

static void start_kthread(unsigned int value)
{
	mode(value);
	start_task(0, &kthread[0]);
}

static void use_and_walk(void)
{
	kthread_use_mm(m);
	gup_fast();
	kthread_unuse_mm(m);
}

static void exec_and_walk(void)
{
	mmgrab(m);
	exec_mmap(m);
	gup_fast();
}

/* In user mode until it calls the kernel. */
static void user_mode(unsigned int value)
{
	mode(value);
	per_cpu(context_tracking, 0).state.counter = CT_STATE_USER;
}

static void call_and_walk(void)
{
	user_exit();
	gup_fast();
	user_enter();
}

/* A walk of n by somebody who hasn't it, an NMI walks m inside of it. */
static void walk_n(void)
{
	marked_walk(n);
}

static void walk_m_in_nmi(void)
{
	marked_walk(m);
}

static void take_table_of_n(void)
{
	unsigned int table = change_table(n);

	__tlb_remove_table_sync_mm(n, flags);
	reuse_table(table);
}

/* The flush before it has waited for everybody but marked walks. */
static void flushes_wait(unsigned int value)
{
	mode(value);
	shim_flush_waits = true;
	initcall_table_sync_flush_init();
}

static void take_table_after_flush(void)
{
	unsigned int table = change_table(m);

	flush_tlb_mm(m, true);
	__tlb_remove_table_sync_mm(m, flags | TABLE_SYNC_FLUSHED);
	reuse_table(table);
}

static void kthread_with_flush(unsigned int value)
{
	flushes_wait(value);
	start_task(0, &kthread[0]);
}

static void b_with_flush(unsigned int value)
{
	flushes_wait(value);
	start_task(0, &b);
}

static void walk_m(void)
{
	marked_walk(m);
}

static void mode_to(unsigned int value)
{
	mode(value / NR_MODES);
	to = value % NR_MODES;
}

static void change_mode(void)
{
	table_sync_set_mode(to);
}

/* -- the list --------------------------------------------------------------------------------------------- */

#define SCHEMES	.values = LAZY_MM_NR_SCHEMES, .describe = name_scheme
#define PAIRS	.values = LAZY_MM_NR_SCHEMES * LAZY_MM_NR_SCHEMES, .describe = name_pair_of_schemes
#define MODES	.values = 2 * NR_MODES, .describe = name_mode

const struct scenario scenarios[] = {
	/* Borrowed mms. */
	{ "leave-and-drop", SCHEMES, .setup = by_scheme, .check = m_is_free,
	  .cpu = { borrow_and_leave, drop_elsewhere } },
	{ "drop-when-told", SCHEMES, .setup = by_scheme, .check = m_is_free,
	  .cpu = { borrow_and_tell, drop_when_told } },
	{ "exit-elsewhere", SCHEMES, .setup = by_scheme, .check = exit_check,
	  .cpu = { borrow_and_leave, exit_elsewhere } },
	{ "two-borrowers", SCHEMES, .setup = two_people, .check = exit_check,
	  .cpu = { borrow_and_leave, borrow_too, drop_both } },
	{ "two-mms", SCHEMES, .setup = two_mms, .check = both_are_free,
	  .cpu = { borrow_both, drop_both_mms } },
	{ "change-of-scheme", PAIRS, .setup = from_to, .check = m_is_free,
	  .cpu = { borrow_and_leave, drop_elsewhere, change_scheme } },
	{ "two-mms-change-of-scheme", PAIRS, .setup = two_mms_from_to, .check = both_are_free,
	  .cpu = { borrow_both, drop_both_mms_and_change } },
	{ "kthread-uses-mm", SCHEMES, .setup = by_scheme, .check = m_is_free,
	  .cpu = { use_other_mm, drop_elsewhere } },
	{ "exec-in-kthread", SCHEMES, .setup = by_scheme, .check = exit_check,
	  .cpu = { exec_in_kthread, drop_elsewhere } },
	{ "firmware-call", SCHEMES, .setup = by_scheme, .check = m_is_free,
	  .cpu = { call_firmware, drop_elsewhere } },
	{ "offline-after-drop", SCHEMES, .setup = by_scheme, .check = m_is_free,
	  .cpu = { go_offline, offline_and_drop } },
	{ "offline-before-drop", SCHEMES, .setup = by_scheme, .check = m_is_free,
	  .cpu = { go_offline, finish_and_exit } },

	/* Walks. */
	{ "walk", MODES, .setup = mode, .cpu = { walk_once, take_table } },
	{ "switch-and-walk", MODES, .setup = mode, .cpu = { switch_and_walk, take_table } },
	{ "switch-user-and-walk", MODES, .setup = start_with_b,
	  .cpu = { switch_user_and_walk, take_table } },
	{ "walk-and-switch", MODES, .setup = mode, .cpu = { walk_and_switch, take_table } },
	{ "walk-and-exit", MODES, .setup = mode, .cpu = { walk_and_exit, take_table } },
	{ "kthread-walks", MODES, .setup = start_kthread, .cpu = { use_and_walk, take_table } },
	{ "exec-and-walk", MODES, .setup = start_kthread, .cpu = { exec_and_walk, take_table } },
	{ "user-mode", MODES, .setup = user_mode, .cpu = { call_and_walk, take_table },
	  .nmi = perf_walk },
	{ "nmi-in-walk", MODES, .setup = mode, .cpu = { walk_twice, take_table },
	  .nmi = perf_walk },
	{ "nmi-in-switch", MODES, .setup = start_with_b,
	  .cpu = { switch_user_and_walk, take_table }, .nmi = perf_walk },
	{ "nmi-in-walk-of-another", MODES, .setup = start_kthread,
	  .cpu = { walk_n, take_table_of_n }, .nmi = walk_m_in_nmi },
	{ "after-flush", MODES, .setup = flushes_wait,
	  .cpu = { switch_and_walk, take_table_after_flush } },
	{ "after-flush-user", MODES, .setup = b_with_flush,
	  .cpu = { switch_user_and_walk, take_table_after_flush }, .nmi = perf_walk },
	{ "after-flush-foreign-walk", MODES, .setup = kthread_with_flush,
	  .cpu = { walk_m, take_table_after_flush } },
	{ "change-of-mode", .values = NR_MODES * NR_MODES, .describe = name_pair_of_modes,
	  .setup = mode_to, .cpu = { walk_twice, take_table, change_mode } },
};

const unsigned int nr_scenarios = sizeof(scenarios) / sizeof(scenarios[0]);
