// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel thread that works on a user mm, for tests.
 *
 * Each open file of debugfs/kthread_mm_test can have one. KTHREAD_MM_TEST_USE starts it on
 * a CPU and on the mm of the caller; from then on it reads and writes that address space
 * for whoever has the file. It never sleeps, so that its CPU keeps the translations that it
 * has loaded: a thread that sleeps comes back through switch_mm(), which may find the
 * context gone and hide what is to be seen. It has a reference to the mm_struct and none to
 * the address space, which can end while the thread is there.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include "kthread_mm_test.h"

/**
 * struct kthread_mm_test - the kernel thread of one open file
 * @lock: serialises the callers
 * @task: the thread, NULL if there is none
 * @mm: what it works on
 * @op: the ioctl that the thread is to carry out; 0 when it has
 * @access: argument and result of @op
 */
struct kthread_mm_test {
	struct mutex lock;	/* for all of it */
	struct task_struct *task;
	struct mm_struct *mm;
	unsigned int op;
	struct kthread_mm_test_access access;
};

static void kthread_mm_test_cycle(struct mm_struct *mm)
{
	kthread_unuse_mm(mm);
	kthread_use_mm(mm);
}

static u32 kthread_mm_test_watch(struct kthread_mm_test *test)
{
	u32 __user *where = (u32 __user *)(unsigned long)test->access.address;
	u32 __user *floor = (u32 __user *)(unsigned long)test->access.floor;
	u32 before, after, stale = 0;

	for (u32 i = 0; i < test->access.value; i++) {
		kthread_mm_test_cycle(test->mm);
		if (get_user(before, floor))
			continue;
		/* The word at the floor was written after what it stands for. */
		smp_rmb();
		if (!get_user(after, where) && after < before)
			stale++;
		cond_resched();
	}
	return stale;
}

/* The least time of some rounds is one without interrupts. */
static u32 kthread_mm_test_cost(struct mm_struct *mm)
{
	u64 least = U32_MAX;

	for (int round = 0; round < 20; round++) {
		u64 start = ktime_get_mono_fast_ns();

		for (int pair = 0; pair < KTHREAD_MM_TEST_PAIRS; pair++)
			kthread_mm_test_cycle(mm);
		least = min(least, ktime_get_mono_fast_ns() - start);
		cond_resched();
	}
	return least;
}

static void kthread_mm_test_do(struct kthread_mm_test *test, unsigned int op)
{
	u32 __user *where = (u32 __user *)(unsigned long)test->access.address;

	switch (op) {
	case KTHREAD_MM_TEST_READ:
		test->access.error = get_user(test->access.value, where);
		break;
	case KTHREAD_MM_TEST_WRITE:
		test->access.error = put_user(test->access.value, where);
		break;
	case KTHREAD_MM_TEST_WATCH:
		test->access.value = kthread_mm_test_watch(test);
		break;
	case KTHREAD_MM_TEST_COST:
		test->access.value = kthread_mm_test_cost(test->mm);
		break;
	}
}

static int kthread_mm_test_thread(void *data)
{
	struct kthread_mm_test *test = data;

	kthread_use_mm(test->mm);
	while (!kthread_should_stop()) {
		/* Pairs with the release in kthread_mm_test_ask(): op after access. */
		unsigned int op = smp_load_acquire(&test->op);

		if (op) {
			kthread_mm_test_do(test, op);
			/* Pairs with the acquire there. */
			smp_store_release(&test->op, 0);
		}
		/* Other tasks of this CPU come first, and RCU sees a quiescent state. */
		cond_resched();
		cpu_relax();
	}
	kthread_unuse_mm(test->mm);
	return 0;
}

static int kthread_mm_test_ask(struct kthread_mm_test *test, unsigned int op)
{
	if (!test->task)
		return -ESRCH;
	/* Pairs with the acquire in kthread_mm_test_thread(): op after access. */
	smp_store_release(&test->op, op);
	/* Pairs with the release there: the result before 0. */
	while (smp_load_acquire(&test->op)) {
		/* Without a switch, which would renew the context of this CPU, too. */
		if (op != KTHREAD_MM_TEST_WATCH)
			cond_resched();
		else
			schedule_timeout_uninterruptible(1);
		cpu_relax();
	}
	return 0;
}

static int kthread_mm_test_use(struct kthread_mm_test *test, unsigned int cpu)
{
	struct task_struct *task;

	if (test->task)
		return -EBUSY;
	if (cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -EINVAL;
	test->mm = current->mm;
	task = kthread_create(kthread_mm_test_thread, test, "kthread_mm_test");
	if (IS_ERR(task))
		return PTR_ERR(task);
	mmgrab(test->mm);
	kthread_bind(task, cpu);
	test->task = task;
	wake_up_process(task);
	/* A thread that has answered is on the mm. */
	return kthread_mm_test_ask(test, KTHREAD_MM_TEST_USE);
}

static void kthread_mm_test_unuse(struct kthread_mm_test *test)
{
	if (!test->task)
		return;
	kthread_stop(test->task);
	test->task = NULL;
	mmdrop(test->mm);
}

static long kthread_mm_test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kthread_mm_test *test = file->private_data;
	void __user *user = (void __user *)arg;
	long err = 0;

	if (mutex_lock_interruptible(&test->lock))
		return -EINTR;
	switch (cmd) {
	case KTHREAD_MM_TEST_USE:
		err = kthread_mm_test_use(test, arg);
		break;
	case KTHREAD_MM_TEST_UNUSE:
		kthread_mm_test_unuse(test);
		break;
	case KTHREAD_MM_TEST_READ:
	case KTHREAD_MM_TEST_WRITE:
	case KTHREAD_MM_TEST_WATCH:
	case KTHREAD_MM_TEST_COST:
		if (copy_from_user(&test->access, user, sizeof(test->access)))
			err = -EFAULT;
		else
			err = kthread_mm_test_ask(test, cmd);
		if (!err && copy_to_user(user, &test->access, sizeof(test->access)))
			err = -EFAULT;
		break;
	default:
		err = -ENOTTY;
	}
	mutex_unlock(&test->lock);
	return err;
}

static int kthread_mm_test_open(struct inode *inode, struct file *file)
{
	struct kthread_mm_test *test = kzalloc(sizeof(*test), GFP_KERNEL);

	if (!test)
		return -ENOMEM;
	mutex_init(&test->lock);
	file->private_data = test;
	return nonseekable_open(inode, file);
}

static int kthread_mm_test_release(struct inode *inode, struct file *file)
{
	struct kthread_mm_test *test = file->private_data;

	kthread_mm_test_unuse(test);
	kfree(test);
	return 0;
}

static const struct file_operations kthread_mm_test_fops = {
	.owner		= THIS_MODULE,
	.open		= kthread_mm_test_open,
	.release	= kthread_mm_test_release,
	.unlocked_ioctl	= kthread_mm_test_ioctl,
};

static struct dentry *kthread_mm_test_file;

static int __init kthread_mm_test_init(void)
{
	kthread_mm_test_file = debugfs_create_file("kthread_mm_test", 0600, NULL, NULL,
						   &kthread_mm_test_fops);
	return PTR_ERR_OR_ZERO(kthread_mm_test_file);
}
module_init(kthread_mm_test_init);

static void __exit kthread_mm_test_exit(void)
{
	debugfs_remove(kthread_mm_test_file);
}
module_exit(kthread_mm_test_exit);

MODULE_DESCRIPTION("A kernel thread that works on a user mm");
MODULE_LICENSE("GPL");
