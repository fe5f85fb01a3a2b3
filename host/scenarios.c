// SPDX-License-Identifier: GPL-2.0
/*
 * The small cases of which the explorer tries every order. CPU 2 often has nothing to do,
 * and then it runs the work items.
 */
#include "explore.h"
#include "mm/table_sync.h"

/* In the order of the values. */
static const struct {
	int value;
	const char *name;
} scheme_names[] = { LAZY_TLB_SCHEME_NAMES }, mode_names[] = { TABLE_SYNC_MODE_NAMES };

/* The mode running comes last because not all architectures have it. */
#define NR_MODES (IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING) ? 4 : 3)

/* -- tasks and mms --------------------------------------------------------- */

/* A letter in a task's name is that of its mm. */
static struct mm_struct *mm_a, *mm_b, *mm_c;
static struct task_struct task_a, task_a2, task_b, task_c;
static struct task_struct kthread[MAX_CPUS];
static unsigned int to;				/* the scheme or mode to change to */

static void user_task(struct task_struct *task, struct mm_struct *mm, const char *name)
{
	task->mm = task->active_mm = mm;
	name_memory(task, sizeof(*task), "%s", name);
}

/* mm A has one user, task A, which runs on CPU 0; kernel threads run on the other CPUs. */
static void set_up_tasks(void)
{
	for (int i = 0; i < MAX_CPUS; i++)
		name_memory(&kthread[i], sizeof(kthread[i]), "kernel thread %d", i);
	mm_a = mm_alloc();
	mm_b = mm_alloc();
	mm_b->table = 8;
	user_task(&task_a, mm_a, "task A");
	user_task(&task_a2, mm_a, "task A2");
	user_task(&task_b, mm_b, "task B");
	start_task(0, &task_a);
	start_task(1, &kthread[1]);
	start_task(2, &kthread[2]);
}

/* mm B never loses its last user. mm A must have been freed; shim_mm_free() finds a second free. */
static void mm_a_is_free(void)
{
	if (!mm_a->freed)
		violation("mm A is not free, its count is %d", mm_a->mm_count.counter);
	if (mm_b->freed || mm_b->mm_count.counter != 1)
		violation("the count of mm B is %d instead of 1", mm_b->mm_count.counter);
	for (int i = 0; i < MAX_CPUS; i++)
		if (per_cpu(lazy_tlb_slot.val, i))
			violation("the slot of CPU %d is not empty", i);
}

static void name_scheme(unsigned int value, char *buf, size_t size)
{
	if (!IS_ENABLED(CONFIG_LAZY_TLB_DYNAMIC))
		value = lazy_tlb_get_scheme();
	snprintf(buf, size, "%s", scheme_names[value].name);
}

static void name_pair_of_schemes(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s to %s", scheme_names[value / LAZY_TLB_NR_SCHEMES].name,
		 scheme_names[value % LAZY_TLB_NR_SCHEMES].name);
}

static void name_pair_of_modes(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s to %s", mode_names[value / NR_MODES].name,
		 mode_names[value % NR_MODES].name);
}

/* CPU 2 takes no part in most cases, so there is no reason to interrupt it. */
static void by_scheme(unsigned int value)
{
	lazy_tlb_set_scheme(value);
	set_up_tasks();
	uninvolved = 1U << 2;
}

/* No scheme has a reason to interrupt CPU 0, which is isolated. */
static void with_isolated_cpu(unsigned int value)
{
	by_scheme(value);
	shim_isolated.bits[0] = 1;
	uninvolved |= 1;
}

/* -- exit: task A ends on CPU 1 while CPU 0 borrows its mm ----------------- */

/* mmput() without its flush, which would find the borrowers before the final drop does. */
static void last_put(struct mm_struct *mm)
{
	if (atomic_dec_and_test(&mm->mm_users))
		mmdrop(mm);
}

static void borrow_and_leave(void)
{
	context_switch(&kthread[0]);
	context_switch(&task_b);
}

static void exit_elsewhere(void)
{
	context_switch(&task_a);
	exit_mm();
	kthread_use_mm(mm_b);
}

static bool task_a_is_off(void *unused)
{
	return !mem_load(&task_a.on_cpu, sizeof(int), MEM_ORDERED);
}

static void drop_elsewhere(void)
{
	shim_wait(task_a_is_off, NULL);
	last_put(mm_a);
}

/* As exit_elsewhere(), with no interrupt that could stand in for the release of ->on_cpu. */
static void move_and_exit(void)
{
	context_switch(&task_a);
	exit_mm_clear();
	last_put(mm_a);
	context_switch(&task_b);
}

/* CPU 0 goes on with the mm that its task takes away. */
static void borrow(void)
{
	context_switch(&kthread[0]);
	kthread_use_mm(mm_b);
}

/* Task A borrows the mm that it gives up, moves to CPU 1, and drops its reference there. */
static void exit_half(void)
{
	exit_mm_clear();
	borrow_and_leave();
}

static void exit_other_half(void)
{
	context_switch(&task_a);
	last_put(mm_a);
	context_switch(&kthread[1]);
}

/* One task has called kthread_use_mm() or exec_mmap() with a reference of its own to mm B. */
static void mm_a_is_free_and_b_used(void)
{
	atomic_dec(&mm_b->mm_count);
	mm_a_is_free();
}

/* -- powerpc: flushes that take CPUs out of mm_cpumask() ------------------- */

/* Task A ends elsewhere, and its last flush interrupts the borrowers if that saves an IPI. */
static void radix_exit_elsewhere(void)
{
	context_switch(&task_a);
	exit_mm_clear();
	radix_mmput(mm_a);
	kthread_use_mm(mm_b);
}

/* Somebody with a reference flushes mm A, whose user may run, be away or have ended. */
static void trim_and_drop(void)
{
	exit_flush_lazy_tlbs(mm_a);
	mmdrop(mm_a);
}

static void with_flusher(unsigned int value)
{
	by_scheme(value);
	uninvolved = 0;
	mmgrab(mm_a);
}

/* -- two CPUs borrow, the third drops -------------------------------------- */

static void two_tasks(unsigned int value)
{
	by_scheme(value);
	start_task(1, &task_a2);
}

static void borrow_too(void)
{
	context_switch(&kthread[1]);
	kthread_use_mm(mm_b);
}

static bool both_tasks_are_off(void *unused)
{
	return !mem_load(&task_a.on_cpu, sizeof(int), MEM_ORDERED) &&
	       !mem_load(&task_a2.on_cpu, sizeof(int), MEM_ORDERED);
}

static void drop_after_both(void)
{
	shim_wait(both_tasks_are_off, NULL);
	last_put(mm_a);
}

/* -- one CPU borrows two mms, one after the other, both end ---------------- */

static bool task_c_ran;

static void two_mms(unsigned int value)
{
	by_scheme(value);
	mm_c = mm_alloc();
	user_task(&task_c, mm_c, "task C");
}

static void borrow_both(void)
{
	context_switch(&kthread[0]);
	context_switch(&task_c);
	task_c_ran = true;
	context_switch(&kthread[0]);
	context_switch(&task_b);
}

static bool task_c_is_done(void *unused)
{
	return task_c_ran && !mem_load(&task_c.on_cpu, sizeof(int), MEM_ORDERED);
}

static void drop_both_mms(void)
{
	drop_elsewhere();
	shim_wait(task_c_is_done, NULL);
	last_put(mm_c);
}

static void both_are_free(void)
{
	if (!mm_c->freed)
		violation("mm C is not free, its count is %d", mm_c->mm_count.counter);
	mm_a_is_free();
}

/* -- the scheme changes meanwhile ------------------------------------------ */

static void from_to(unsigned int value)
{
	by_scheme(value / LAZY_TLB_NR_SCHEMES);
	to = value % LAZY_TLB_NR_SCHEMES;
}

static void change_scheme(void)
{
	lazy_tlb_set_scheme(to);
}

/* The IPI for mm A meets a CPU that borrows mm C, which another scheme hands off meanwhile. */
static void two_mms_from_to(unsigned int value)
{
	two_mms(value / LAZY_TLB_NR_SCHEMES);
	to = value % LAZY_TLB_NR_SCHEMES;
}

static void drop_both_mms_and_change(void)
{
	drop_elsewhere();
	lazy_tlb_set_scheme(to);
	shim_wait(task_c_is_done, NULL);
	last_put(mm_c);
}

/* -- enter and leave outside the context switch ---------------------------- */

static void use_other_mm(void)
{
	context_switch(&kthread[0]);
	kthread_use_mm(mm_b);
	kthread_unuse_mm(mm_b);
	context_switch(&task_b);
}

/* A kernel thread executes a program. */
static void exec_in_kthread(void)
{
	context_switch(&kthread[0]);
	mmgrab(mm_b);
	exec_mmap(mm_b);
}

static void call_firmware(void)
{
	context_switch(&kthread[0]);
	efi_call();
	context_switch(&task_b);
}

static void use_temporary_mm(void)
{
	context_switch(&kthread[0]);
	temporary_mm_call();
	context_switch(&task_b);
}

static void go_offline(void)
{
	context_switch(&kthread[0]);
	idle_task_exit();
}

static void give_up_and_go_offline(void)
{
	context_switch(&kthread[0]);
	sched_force_init_mm();
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

/* -- walks of page tables -------------------------------------------------- */

static void name_mode(unsigned int value, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", mode_names[value % NR_MODES].name,
		 value < NR_MODES ? "" : " can't sleep");
}

static unsigned int flags;

static void mode(unsigned int value)
{
	table_sync_mode = value % NR_MODES;
	table_walk_tracked_key.enabled = table_sync_mode == TABLE_SYNC_TRACKED;
	flags = value < NR_MODES ? TABLE_SYNC_CAN_SLEEP : 0;
	/* Each look is a step. */
	*param_patience_us() = 0;
	/* Whether each sharer of a table waits depends on the mode as well. */
	initcall_table_sync_init();
	set_up_tasks();
	uninvolved = 1U << 2;
	if (table_sync_mode == TABLE_SYNC_BROADCAST ||
	    (table_sync_mode == TABLE_SYNC_RCU && !flags && NR_MODES < 4))
		uninvolved = 0;
	start_task(1, &task_a2);
	mm_a->mm_users.counter = 2;
}

/* Takes a table out of mm A, waits for walks, and lets the table be used for other things. */
static void take_table(void)
{
	unsigned int table = change_table(mm_a);

	tlb_remove_table_sync_mm(mm_a, flags);
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
	context_switch(&task_a);
	gup_fast();
}

static void start_with_b(unsigned int value)
{
	mode(value);
	start_task(0, &task_b);
}

static void switch_user_and_walk(void)
{
	context_switch(&task_a);
	gup_fast();
}

static void walk_and_switch(void)
{
	gup_fast();
	context_switch(&task_b);
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
	kthread_use_mm(mm_a);
	gup_fast();
	kthread_unuse_mm(mm_a);
}

static void exec_and_walk(void)
{
	mmgrab(mm_a);
	exec_mmap(mm_a);
	gup_fast();
}

/* In user mode until it calls the kernel. */
static void user_mode(unsigned int value)
{
	mode(value);
	per_cpu(context_tracking, 0).state.counter += CT_STATE_USER;
}

/* The same state on a CPU without context tracking, where it is updated without order. */
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

/* A wait looks twice before it interrupts CPU 0, which starts in the kernel. */
static void patience(unsigned int value)
{
	mode(value);
	*param_patience_us() = 3;
}

static void patience_untracked(unsigned int value)
{
	patience(value);
	per_cpu(context_tracking, 0).active = false;
}

static void walk_on_both_sides(void)
{
	gup_fast();
	user_enter();
	user_exit();
	gup_fast();
}

static void pass_and_switch(void)
{
	user_enter();
	user_exit();
	gup_fast();
	context_switch(&task_b);
}

/* A kernel thread walks mm B, which is not its own, and an NMI during that walks mm A. */
static void walk_n(void)
{
	marked_walk(mm_b);
}

static void walk_m_in_nmi(void)
{
	marked_walk(mm_a);
}

static void take_table_of_n(void)
{
	unsigned int table = change_table(mm_b);

	tlb_remove_table_sync_mm(mm_b, flags);
	reuse_table(table);
}

/* Flushes wait: after one of them only marked walks are left to wait for. */
static void flushes_wait(unsigned int value)
{
	mode(value);
	shim_flush_waits = true;
	initcall_table_sync_init();
}

static void take_table_after_flush(void)
{
	unsigned int table = change_table(mm_a);

	flush_tlb_mm(mm_a, true);
	tlb_remove_table_sync_mm(mm_a, flags);
	reuse_table(table);
}

/* The flush comes before the change, so it can't replace the wait. */
static void take_table_before_flush(void)
{
	flush_tlb_mm(mm_a, true);
	take_table();
}

/* The flush before the first wait can't replace the second wait. */
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
	start_task(0, &task_b);
}

static void walk_m(void)
{
	marked_walk(mm_a);
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
		violation("in mode %s walks are%s marked", mode_names[table_sync_mode].name,
			  table_walk_tracked() ? "" : " not");
	if (table_sync_each_sharer() != (table_sync_mode != TABLE_SYNC_BROADCAST))
		violation("in mode %s the wrong sharers wait", mode_names[table_sync_mode].name);
}

/* Task A calls exec and is preempted by its parent, which shares the old mm. */
static struct task_struct parent;

static void exec_preempted_by_parent(unsigned int value)
{
	mode(value / 3);
	user_task(&parent, mm_a, "parent of A");
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
	mmgrab(mm_b);
	exec_mmap(mm_b);
}

static void walk_of_parent(void)
{
	context_switch(&parent);
	gup_fast();
	context_switch(&task_a);
}

/* CPU 0 walks and goes offline while the mode changes: its marker has to be reset. */
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

/* -- two mms share a table and both give it up ----------------------------- */

static void sharing(unsigned int value, bool flush_waits)
{
	mode_to(value);
	share_table(mm_a, mm_b, 8);
	shim_flush_waits = flush_waits;
	shim_flush_passes_over = !flush_waits;
	initcall_table_sync_init();
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
	snprintf(buf, size, "%s", mode_names[value].name);
}

/* CPU 0 has neither of the mms loaded and walks one of them under a mark. */
static void sharing_foreign(unsigned int value)
{
	sharing(value * NR_MODES + value, true);
	start_task(0, &kthread[0]);
	/* The last sharer's flush interrupts CPU 2, so it is recorded. */
	start_task(2, &task_b);
}

static void unshare_both(void)
{
	unshare_table(mm_a);
	unshare_table(mm_b);
	reuse_table(8);
}

/* -- barriers that callers rely on ----------------------------------------- */

/* Two locations that two CPUs access in opposite order. For membarrier(2): user memory. */
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
		violation("CPU 0 has not seen y, and CPU 1 has not seen x");
}

/* A test of the explorer itself: a write barrier orders stores. */
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

static void leave_as_barrier(unsigned int value)
{
	by_scheme(value);
	shim_weak_switch = true;
	task_a.active_mm = value == LAZY_TLB_NONE ? &init_mm : mm_a;
	if (value != LAZY_TLB_NONE)
		per_cpu(lazy_tlb_slot.val, 0) = (unsigned long)mm_a | (value == LAZY_TLB_REFCOUNT);
}

static void leave_between(void)
{
	local_irq_disable();
	WRITE_ONCE(x, 1);
	lazy_tlb_leave(mm_a);
	saw_y = READ_ONCE(y);
	local_irq_enable();
}

/* x stands for the entry that a sharer clears before it asks whether it has to wait. */
static void ask_between(void)
{
	WRITE_ONCE(x, 1);
	table_sync_each_sharer();
	saw_y = READ_ONCE(y);
}

static void wait_between(void)
{
	WRITE_ONCE(x, 1);
	tlb_remove_table_sync_mm(mm_a, flags);
	saw_y = READ_ONCE(y);
}

/* Task A2 calls membarrier(2) while the CPU of task A goes through a kernel thread. */
static void members(unsigned int value)
{
	by_scheme(value);
	start_task(1, &task_a2);
	mm_a->mm_users.counter = 2;
	mm_a->membarrier_state.counter = MEMBARRIER_STATE_PRIVATE_EXPEDITED_SYNC_CORE;
}

static void access_after_kthread(void)
{
	context_switch(&kthread[0]);
	context_switch(&task_a);
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
	kthread_use_mm(mm_a);
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

/* CPU 0 must not run old code once membarrier(2) with SYNC_CORE is over. */
static int code_is_new;

static void run_code(void)
{
	context_switch(&kthread[0]);
	context_switch(&task_a);
	if (READ_ONCE(code_is_new) && !per_cpu(shim_code_fetched, 0))
		violation("CPU 0 runs old code");
}

static void change_code(void)
{
	WRITE_ONCE(shim_code, 1);
	membarrier(true);
	WRITE_ONCE(code_is_new, 1);
}

/* -- kernel threads on an mm whose flushes leave out other CPUs -------------- */

/* CPUs 0 and 1 have the translations of mm A, whose task runs on CPU 0. */
static void contexts(unsigned int value)
{
	by_scheme(value);
	uninvolved = 0;
	shim_contexts = true;
	start_context_of_mm(0, mm_a);
	start_context_of_mm(1, mm_a);
}

static void replace_twice(void)
{
	replace_page(mm_a, 0);
	replace_page(mm_a, 0);
}

static void replace_other(void)
{
	replace_page(mm_a, 1);
}

static void replace_once(void)
{
	replace_page(mm_a, 0);
}

static void use_and_access(void)
{
	kthread_use_mm(mm_a);
	access_page(0);
	access_page(0);
	kthread_unuse_mm(mm_a);
}

static void use_and_access_both(void)
{
	kthread_use_mm(mm_a);
	access_page(1);
	access_page(1);
	kthread_unuse_mm(mm_a);
}

static void use_twice(void)
{
	kthread_use_mm(mm_a);
	kthread_unuse_mm(mm_a);
	kthread_use_mm(mm_a);
	access_page(0);
	kthread_unuse_mm(mm_a);
}

static void use_and_replace(void)
{
	kthread_use_mm(mm_a);
	replace_page(mm_a, 0);
	kthread_unuse_mm(mm_a);
}

static void access_twice(void)
{
	access_page(0);
	access_page(0);
}

/* The last user's end, with the mm_struct kept by somebody else's reference. */
static void exit_mmap(void)
{
	exit_mm_clear();
	atomic_dec_and_test(&mm_a->mm_users);
	replace_all_pages(mm_a);
}

/* -- the list -------------------------------------------------------------- */

/* Cases without walks are the same in both builds: the one without running leaves them out. */
#define ONCE(values)	(IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING) ? (values) : 0)
/* So is it with cases of walks where one scheme is built in, and the scheme doesn't change. */
#define ANY_SCHEME	IS_ENABLED(CONFIG_LAZY_TLB_DYNAMIC)
#define SCHEMES	.values = ONCE(ANY_SCHEME ? LAZY_TLB_NR_SCHEMES : 1), .describe = name_scheme
#define PAIRS	.values = ANY_SCHEME ? ONCE(LAZY_TLB_NR_SCHEMES * LAZY_TLB_NR_SCHEMES) : 0, \
		.describe = name_pair_of_schemes
#define WALKS(values)	(ANY_SCHEME ? (values) : 0)
#define MODES	.values = WALKS(2 * NR_MODES), .describe = name_mode

const struct scenario scenarios[] = {
	/* Borrowed mms. */
	{ "leave-and-drop", SCHEMES, .setup = by_scheme, .check = mm_a_is_free,
	  .cpu = { borrow_and_leave, drop_elsewhere } },
	{ "isolated", SCHEMES, .setup = with_isolated_cpu, .check = mm_a_is_free,
	  .cpu = { borrow_and_leave, drop_elsewhere } },
	{ "move-and-exit", SCHEMES, .setup = by_scheme, .check = mm_a_is_free_and_b_used,
	  .cpu = { borrow, move_and_exit } },
	{ "exit-and-move", SCHEMES, .setup = by_scheme, .check = mm_a_is_free,
	  .cpu = { exit_half, exit_other_half } },
	{ "exit-elsewhere", SCHEMES, .setup = by_scheme, .check = mm_a_is_free_and_b_used,
	  .cpu = { borrow_and_leave, exit_elsewhere } },
	{ "last-flush-interrupts", SCHEMES, .setup = by_scheme, .check = mm_a_is_free_and_b_used,
	  .cpu = { borrow_and_leave, radix_exit_elsewhere } },
	{ "flush-trims", SCHEMES, .setup = with_flusher, .check = mm_a_is_free,
	  .cpu = { borrow_and_leave, drop_elsewhere, trim_and_drop } },
	{ "two-borrowers", SCHEMES, .setup = two_tasks, .check = mm_a_is_free_and_b_used,
	  .cpu = { borrow_and_leave, borrow_too, drop_after_both } },
	{ "two-mms", SCHEMES, .setup = two_mms, .check = both_are_free,
	  .cpu = { borrow_both, drop_both_mms } },
	{ "change-of-scheme", PAIRS, .setup = from_to, .check = mm_a_is_free,
	  .cpu = { borrow_and_leave, drop_elsewhere, change_scheme } },
	{ "two-mms-change-of-scheme", PAIRS, .setup = two_mms_from_to, .check = both_are_free,
	  .cpu = { borrow_both, drop_both_mms_and_change } },
	{ "kthread-uses-mm", SCHEMES, .setup = by_scheme, .check = mm_a_is_free,
	  .cpu = { use_other_mm, drop_elsewhere } },
	{ "exec-in-kthread", SCHEMES, .setup = by_scheme, .check = mm_a_is_free_and_b_used,
	  .cpu = { exec_in_kthread, drop_elsewhere } },
	{ "firmware-call", SCHEMES, .setup = by_scheme, .check = mm_a_is_free,
	  .cpu = { call_firmware, drop_elsewhere } },
	{ "temporary-mm", SCHEMES, .setup = by_scheme, .check = mm_a_is_free,
	  .cpu = { use_temporary_mm, drop_elsewhere } },
	{ "offline-after-drop", SCHEMES, .setup = by_scheme, .check = mm_a_is_free,
	  .cpu = { go_offline, offline_and_drop } },
	{ "offline-before-drop", SCHEMES, .setup = by_scheme, .check = mm_a_is_free,
	  .cpu = { go_offline, finish_and_exit } },
	{ "give-up-and-offline", SCHEMES, .setup = by_scheme, .check = mm_a_is_free,
	  .cpu = { give_up_and_go_offline, offline_and_drop } },

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
	{ "patience", MODES, .setup = patience, .cpu = { walk_on_both_sides, take_table } },
	{ "patience-untracked", MODES, .setup = patience_untracked,
	  .cpu = { walk_on_both_sides, take_table } },
	{ "patience-nmi", MODES, .setup = patience, .cpu = { user_enter, take_table },
	  .nmi = perf_walk },
	{ "patience-switch", MODES, .setup = patience, .cpu = { pass_and_switch, take_table } },
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
	{ "exec-preempted", .values = WALKS(2 * NR_MODES * 3), .describe = name_exec_preempted,
	  .setup = exec_preempted_by_parent, .preempt = walk_of_parent,
	  .cpu = { exec_n, take_table } },
	{ "unshare", .values = WALKS(2 * NR_MODES * NR_MODES), .describe = name_sharing,
	  .setup = sharing_and_mode, .cpu = { walk_once, unshare_both, change_mode } },
	{ "unshare-flush-foreign", .values = WALKS(NR_MODES), .describe = name_mode_only,
	  .setup = sharing_foreign, .cpu = { walk_m, unshare_both } },
	{ "mode-and-offline", .values = WALKS(NR_MODES * NR_MODES), .describe = name_pair_of_modes,
	  .setup = mode_to, .check = no_task_marks,
	  .cpu = { walk_and_go_offline, change_mode, finish_cpu_0 } },

	/* Kernel threads and flushes, once: no scheme has a part in it. */
	{ "kthread-and-flush", .values = ONCE(1), .setup = contexts,
	  .cpu = { replace_twice, use_and_access } },
	{ "kthread-comes-back", .values = ONCE(1), .setup = contexts,
	  .cpu = { replace_once, use_twice } },
	{ "kthread-flushes", .values = ONCE(1), .setup = contexts,
	  .cpu = { access_twice, use_and_replace } },
	{ "kthread-and-two-flushes", .values = ONCE(1), .setup = contexts,
	  .cpu = { replace_once, use_and_access_both, replace_other } },
	{ "kthread-and-exit", .values = ONCE(1), .setup = contexts,
	  .cpu = { exit_mmap, use_and_access } },

	/* Barriers. */
	{ "write-barrier", .values = ONCE(1), .setup = by_scheme, .check = y_comes_with_x,
	  .cpu = { x_before_y, look_at_y_then_x } },
	{ "leave-is-a-barrier", SCHEMES, .setup = leave_as_barrier, .check = one_saw_the_other,
	  .cpu = { leave_between, y_then_x } },
	{ "each-sharer-is-a-barrier", .values = WALKS(1), .setup = mode,
	  .check = one_saw_the_other, .cpu = { ask_between, y_then_x } },
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

	{ "two-changes-of-mode", .values = WALKS(NR_MODES * NR_MODES), .describe = name_pair_of_modes,
	  .setup = mode_to, .check = mode_is_consistent,
	  .cpu = { change_mode, change_mode_to_tracked } },
	{ "change-of-mode", .values = WALKS(NR_MODES * NR_MODES), .describe = name_pair_of_modes,
	  .setup = mode_to, .cpu = { walk_twice, take_table, change_mode } },
};

const unsigned int nr_scenarios = sizeof(scenarios) / sizeof(scenarios[0]);
