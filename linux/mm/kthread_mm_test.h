/* SPDX-License-Identifier: GPL-2.0 */
/* What mm/kthread_mm_test.c and its users share. */
#ifndef _MM_KTHREAD_MM_TEST_H
#define _MM_KTHREAD_MM_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct kthread_mm_test_access - an access of the kernel thread
 * @address: in the address space that it works on
 * @floor: address of a word that is never above the one at @address
 * @value: to be written, or what was read, or a number
 * @error: 0 or -EFAULT
 */
struct kthread_mm_test_access {
	__u64 address;
	__u64 floor;
	__u32 value;
	__s32 error;
};

/* Start the thread; the argument is its CPU. And end it. */
#define KTHREAD_MM_TEST_USE	_IO('k', 1)
#define KTHREAD_MM_TEST_UNUSE	_IO('k', 2)
#define KTHREAD_MM_TEST_READ	_IOWR('k', 3, struct kthread_mm_test_access)
#define KTHREAD_MM_TEST_WRITE	_IOWR('k', 4, struct kthread_mm_test_access)
/*
 * The thread leaves the mm, comes back and reads, as often as the value says; afterwards
 * the value says how often it has read less than it had read at the floor before.
 */
#define KTHREAD_MM_TEST_WATCH	_IOWR('k', 5, struct kthread_mm_test_access)
/* The value becomes the nanoseconds of so many pairs of kthread_unuse_mm() and kthread_use_mm(). */
#define KTHREAD_MM_TEST_COST	_IOWR('k', 6, struct kthread_mm_test_access)
#define KTHREAD_MM_TEST_PAIRS	100

#endif /* _MM_KTHREAD_MM_TEST_H */
