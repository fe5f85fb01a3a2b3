// SPDX-License-Identifier: GPL-2.0
/*
 * The small cases of which the explorer tries every order. CPU 2 often has nothing to do:
 * it is where work items run.
 */
#include "explore.h"
#include "mm/table_sync.h"

static const char * const scheme_names[] = { "refcount", "none", "hazard", "shootdown" };
static const char * const mode_names[] = { "broadcast", "rcu", "tracked", "running" };

/* Running comes last, as not all architectures have it. */
#define NR_MODES (IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING) ? 4 : 3)

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
		if (per_cpu(lazy_tlb_slot.val, i))
			violation("the slot of CPU %d is not empty", i);
}

static void name_scheme(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s", scheme_names[value]);
}

static void name_pair_of_schemes(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s to %s", scheme_names[value / LAZY_TLB_NR_SCHEMES],
		 scheme_names[value % LAZY_TLB_NR_SCHEMES]);
}

static void name_pair_of_modes(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s to %s", mode_names[value / NR_MODES],
		 mode_names[value % NR_MODES]);
}

/* CPU 2 has no part in most of it, and nobody has a reason to interrupt it. */
static void by_scheme(unsigned int value)
{
	lazy_tlb_set_scheme(value);
	people();
	uninvolved = 1U << 2;
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
	by_scheme(value / LAZY_TLB_NR_SCHEMES);
	to = value % LAZY_TLB_NR_SCHEMES;
}

static void change_scheme(void)
{
	lazy_tlb_set_scheme(to);
}

/* The IPI for m finds o, which another scheme hands off at the same time. */
static void two_mms_from_to(unsigned int value)
{
	two_mms(value / LAZY_TLB_NR_SCHEMES);
	to = value % LAZY_TLB_NR_SCHEMES;
}

static void drop_both_mms_and_change(void)
{
	drop_elsewhere();
	lazy_tlb_set_scheme(to);
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
	/* The waits of mms that share tables depend on the mode, too. */
	initcall_table_sync_flush_init();
	people();
	uninvolved = 1U << 2;
	if (table_sync_mode == TABLE_SYNC_BROADCAST ||
	    (table_sync_mode == TABLE_SYNC_RCU && !flags && NR_MODES < 4))
		uninvolved = 0;
	start_task(1, &a2);
	m->mm_users.counter = 2;
}

/* Somebody takes a table of m out, waits, and gives it to somebody else. */
static void take_table(void)
{
	unsigned int table = change_table(m);

	tlb_remove_table_sync_mm(m, flags);
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
	per_cpu(context_tracking, 0).state.counter += CT_STATE_USER;
}

/* The state says so, too, but there is no order in it. */
static void user_mode_untracked(unsigned int value)
{
	user_mode(value);
	per_cpu(context_tracking, 0).active = false;
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

	tlb_remove_table_sync_mm(n, flags);
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
	tlb_remove_table_sync_mm(m, flags);
	reuse_table(table);
}

/* The flush comes before the change. */
static void take_table_before_flush(void)
{
	flush_tlb_mm(m, true);
	take_table();
}

/* The flush before the first wait is of no use for the second. */
static void take_two_tables(void)
{
	take_table_after_flush();
	take_table();
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
	uninvolved = 0;
}

static void change_mode(void)
{
	table_sync_set_mode(to);
}

/* Two changes at the same time. */
static void change_mode_to_tracked(void)
{
	table_sync_set_mode(TABLE_SYNC_TRACKED);
}

static void mode_is_consistent(void)
{
	if (table_walk_tracked() != (table_sync_mode == TABLE_SYNC_TRACKED))
		violation("in mode %s walks are%s marked", mode_names[table_sync_mode],
			  table_walk_tracked() ? "" : " not");
	if (table_sync_each_sharer() != (table_sync_mode != TABLE_SYNC_BROADCAST))
		violation("in mode %s the wrong sharers wait", mode_names[table_sync_mode]);
}

/* A executes a program and is preempted by its parent, which shared the old mm. */
static struct task_struct parent;

static void exec_preempted_by_parent(unsigned int value)
{
	mode(value / 3);
	user_task(&parent, m, "A's parent");
	preempt_at(0, (int)(value % 3));
}

static void name_exec_preempted(unsigned int value, char *buf, size_t size)
{
	char of_mode[40];

	name_mode(value / 3, of_mode, sizeof(of_mode));
	snprintf(buf, size, "%s preempted %u", of_mode, value % 3);
}

static void exec_n(void)
{
	mmgrab(n);
	exec_mmap(n);
}

static void walk_of_parent(void)
{
	context_switch(&parent);
	gup_fast();
	context_switch(&a);
}

/* A marker may be left behind by a CPU that goes offline while the mode changes. */
static void walk_and_go_offline(void)
{
	gup_fast();
	context_switch(&kthread[0]);
	idle_task_exit();
}

static void finish_cpu_0(void)
{
	finish_cpu(0);
}

static void no_task_marks(void)
{
	for (int i = 0; i < MAX_CPUS; i++)
		if (per_cpu(table_walk.task, i))
			violation("the task marker of CPU %d is left behind", i);
}

/* -- a table that m and n share; both give it up, then it is used for other things --------------- */

static void sharing(unsigned int value, bool flush_waits)
{
	mode_to(value);
	share_table(m, n, 8);
	shim_flush_waits = flush_waits;
	shim_flush_passes_over = !flush_waits;
	initcall_table_sync_flush_init();
	start_task(1, &kthread[1]);
}

static void name_sharing(unsigned int value, char *buf, size_t size)
{
	char pair[40];

	name_pair_of_modes(value % (NR_MODES * NR_MODES), pair, sizeof(pair));
	snprintf(buf, size, "%s, flushes %s", pair,
		 value < NR_MODES * NR_MODES ? "don't wait" : "wait");
}

static void sharing_and_mode(unsigned int value)
{
	sharing(value % (NR_MODES * NR_MODES), value >= NR_MODES * NR_MODES);
}

static void name_mode_only(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s", mode_names[value]);
}

/* CPU 0 has neither of the mms loaded. */
static void sharing_foreign(unsigned int value)
{
	sharing(value * NR_MODES + value, true);
	start_task(0, &kthread[0]);
	/* The last sharer's flush meets somebody. */
	start_task(2, &b);
}

static void unshare_both(void)
{
	unshare_table(m);
	unshare_table(n);
	reuse_table(8);
}

/* -- barriers that others were promised ------------------------------------------------------------ */

/* User memory, or any two locations that two CPUs access in opposite order. */
static int x, y, saw_x, saw_y;

static void x_then_y(void)
{
	WRITE_ONCE(x, 1);
	saw_y = READ_ONCE(y);
}

static void y_then_x(void)
{
	WRITE_ONCE(y, 1);
	smp_mb();
	saw_x = READ_ONCE(x);
}

static void one_saw_the_other(void)
{
	if (!saw_x && !saw_y)
		violation("CPU 0 has not seen y, nor CPU 1 x");
}

/* A test of the explorer: a write barrier orders stores. */
static void x_before_y(void)
{
	WRITE_ONCE(x, 1);
	smp_wmb();
	WRITE_ONCE(y, 1);
}

static void look_at_y_then_x(void)
{
	saw_y = READ_ONCE(y);
	saw_x = READ_ONCE(x);
}

static void y_comes_with_x(void)
{
	if (saw_y && !saw_x)
		violation("CPU 1 has seen y before x");
}

/* "Again": the CPU has borrowed m before, so enter finds its bit set. */
static void name_barrier(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", scheme_names[value / 2], value % 2 ? " again" : "");
}

static void enter_as_barrier(unsigned int value)
{
	by_scheme(value / 2);
	shim_weak_switch = true;
	if (value % 2)
		lazy_tlb_borrowers(m)->bits[0] = 1;
}

static void enter_between(void)
{
	local_irq_disable();
	WRITE_ONCE(x, 1);
	a.active_mm = lazy_tlb_enter(m, &a);
	saw_y = READ_ONCE(y);
	local_irq_enable();
}

static void leave_as_barrier(unsigned int value)
{
	by_scheme(value);
	shim_weak_switch = true;
	a.active_mm = value == LAZY_TLB_NONE ? &init_mm : m;
	if (value != LAZY_TLB_NONE)
		per_cpu(lazy_tlb_slot.val, 0) = (unsigned long)m | (value == LAZY_TLB_REFCOUNT);
}

static void leave_between(void)
{
	local_irq_disable();
	WRITE_ONCE(x, 1);
	lazy_tlb_leave(m);
	saw_y = READ_ONCE(y);
	local_irq_enable();
}

/* x is the entry that a sharer clears before it asks. */
static void decide_between(void)
{
	WRITE_ONCE(x, 1);
	table_sync_each_sharer();
	saw_y = READ_ONCE(y);
}

static void wait_between(void)
{
	WRITE_ONCE(x, 1);
	tlb_remove_table_sync_mm(m, flags);
	saw_y = READ_ONCE(y);
}

/* membarrier(2) by A2, while A's CPU runs a kernel thread in between. */
static void members(unsigned int value)
{
	by_scheme(value);
	start_task(1, &a2);
	m->mm_users.counter = 2;
	m->membarrier_state.counter = MEMBARRIER_STATE_PRIVATE_EXPEDITED_SYNC_CORE;
}

static void access_after_kthread(void)
{
	context_switch(&kthread[0]);
	context_switch(&a);
	x_then_y();
}

static void access_before_kthread(void)
{
	x_then_y();
	context_switch(&kthread[0]);
}

static void access_in_kthread(void)
{
	context_switch(&kthread[0]);
	kthread_use_mm(m);
	x_then_y();
}

static void access_and_exit(void)
{
	x_then_y();
	exit_mm();
}

static void y_then_x_by_membarrier(void)
{
	WRITE_ONCE(y, 1);
	membarrier(false);
	saw_x = READ_ONCE(x);
}

static int code_is_new;

static void run_code(void)
{
	context_switch(&kthread[0]);
	context_switch(&a);
	if (READ_ONCE(code_is_new) && !per_cpu(shim_code_fetched, 0))
		violation("CPU 0 runs old code");
}

static void change_code(void)
{
	WRITE_ONCE(shim_code, 1);
	membarrier(true);
	WRITE_ONCE(code_is_new, 1);
}

/* -- the list --------------------------------------------------------------------------------------------- */

/* Cases without walks are the same in both builds. */
#define ONCE(n)	(IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING) ? (n) : 0)
#define SCHEMES	.values = ONCE(LAZY_TLB_NR_SCHEMES), .describe = name_scheme
#define PAIRS	.values = ONCE(LAZY_TLB_NR_SCHEMES * LAZY_TLB_NR_SCHEMES), \
		.describe = name_pair_of_schemes
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
	{ "before-flush", MODES, .setup = flushes_wait,
	  .cpu = { walk_once, take_table_before_flush } },
	{ "after-flush-twice", MODES, .setup = flushes_wait,
	  .cpu = { walk_twice, take_two_tables } },
	{ "after-flush-user", MODES, .setup = b_with_flush,
	  .cpu = { switch_user_and_walk, take_table_after_flush }, .nmi = perf_walk },
	{ "after-flush-foreign-walk", MODES, .setup = kthread_with_flush,
	  .cpu = { walk_m, take_table_after_flush } },
	{ "user-mode-untracked", MODES, .setup = user_mode_untracked,
	  .cpu = { call_and_walk, take_table } },
	{ "exec-preempted", .values = 2 * NR_MODES * 3, .describe = name_exec_preempted,
	  .setup = exec_preempted_by_parent, .preempt = walk_of_parent,
	  .cpu = { exec_n, take_table } },
	{ "unshare", .values = 2 * NR_MODES * NR_MODES, .describe = name_sharing,
	  .setup = sharing_and_mode, .cpu = { walk_once, unshare_both, change_mode } },
	{ "unshare-flush-foreign", .values = NR_MODES, .describe = name_mode_only,
	  .setup = sharing_foreign, .cpu = { walk_m, unshare_both } },
	{ "mode-and-offline", .values = NR_MODES * NR_MODES, .describe = name_pair_of_modes,
	  .setup = mode_to, .check = no_task_marks,
	  .cpu = { walk_and_go_offline, change_mode, finish_cpu_0 } },

	/* Barriers. */
	{ "write-barrier", .values = ONCE(1), .setup = by_scheme, .check = y_comes_with_x,
	  .cpu = { x_before_y, look_at_y_then_x } },
	{ "enter-is-a-barrier", .values = ONCE(2 * LAZY_TLB_NR_SCHEMES), .describe = name_barrier,
	  .setup = enter_as_barrier, .check = one_saw_the_other,
	  .cpu = { enter_between, y_then_x } },
	{ "leave-is-a-barrier", SCHEMES, .setup = leave_as_barrier, .check = one_saw_the_other,
	  .cpu = { leave_between, y_then_x } },
	{ "each-sharer-is-a-barrier", .values = 1, .setup = mode,
	  .check = one_saw_the_other, .cpu = { decide_between, y_then_x } },
	{ "wait-is-a-barrier", MODES, .setup = mode, .check = one_saw_the_other,
	  .cpu = { wait_between, y_then_x } },
	{ "membarrier-after-kthread", SCHEMES, .setup = members, .check = one_saw_the_other,
	  .cpu = { access_after_kthread, y_then_x_by_membarrier } },
	{ "membarrier-before-kthread", SCHEMES, .setup = members, .check = one_saw_the_other,
	  .cpu = { access_before_kthread, y_then_x_by_membarrier } },
	{ "membarrier-in-kthread", SCHEMES, .setup = members, .check = one_saw_the_other,
	  .cpu = { access_in_kthread, y_then_x_by_membarrier } },
	{ "membarrier-before-exit", SCHEMES, .setup = members, .check = one_saw_the_other,
	  .cpu = { access_and_exit, y_then_x_by_membarrier } },
	{ "membarrier-sync-core", SCHEMES, .setup = members,
	  .cpu = { run_code, change_code } },

	{ "two-changes-of-mode", .values = NR_MODES * NR_MODES, .describe = name_pair_of_modes,
	  .setup = mode_to, .check = mode_is_consistent,
	  .cpu = { change_mode, change_mode_to_tracked } },
	{ "change-of-mode", .values = NR_MODES * NR_MODES, .describe = name_pair_of_modes,
	  .setup = mode_to, .cpu = { walk_twice, take_table, change_mode } },
};

const unsigned int nr_scenarios = sizeof(scenarios) / sizeof(scenarios[0]);
