/* SPDX-License-Identifier: GPL-2.0 */
/* What mm/kthread_mm_test.c and its users share. */
#ifndef _MM_KTHREAD_MM_TEST_H
#define _MM_KTHREAD_MM_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct kthread_mm_test_access - an access of the kernel thread
 * @address: in the address space that it works on
 * @value: to be written, or what was read
 * @error: 0 or -EFAULT
 */
struct kthread_mm_test_access {
	__u64 address;
	__u32 value;
	__s32 error;
};

/* Start the thread; the argument is its CPU. And end it. */
#define KTHREAD_MM_TEST_USE	_IO('k', 1)
#define KTHREAD_MM_TEST_UNUSE	_IO('k', 2)
#define KTHREAD_MM_TEST_READ	_IOWR('k', 3, struct kthread_mm_test_access)
#define KTHREAD_MM_TEST_WRITE	_IOWR('k', 4, struct kthread_mm_test_access)
/* One kthread_unuse_mm() and one kthread_use_mm(). */
#define KTHREAD_MM_TEST_CYCLE	_IO('k', 5)

#endif /* _MM_KTHREAD_MM_TEST_H */
