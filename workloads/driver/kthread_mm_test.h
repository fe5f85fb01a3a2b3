/* SPDX-License-Identifier: GPL-2.0 */
/* The interface of the kernel's kthread_mm_test, see mm/kthread_mm_test.h there. */
#ifndef LAB_KTHREAD_MM_TEST_H
#define LAB_KTHREAD_MM_TEST_H

#include <stdint.h>
#include <sys/ioctl.h>

#define KTHREAD_MM_TEST	"/sys/kernel/debug/kthread_mm_test"

struct kthread_mm_test_access {
	uint64_t address, floor;
	uint32_t value;
	int32_t error;
};

#define KTHREAD_MM_TEST_USE	_IO('k', 1)
#define KTHREAD_MM_TEST_UNUSE	_IO('k', 2)
#define KTHREAD_MM_TEST_READ	_IOWR('k', 3, struct kthread_mm_test_access)
#define KTHREAD_MM_TEST_WRITE	_IOWR('k', 4, struct kthread_mm_test_access)
#define KTHREAD_MM_TEST_WATCH	_IOWR('k', 5, struct kthread_mm_test_access)
#define KTHREAD_MM_TEST_COST	_IOWR('k', 6, struct kthread_mm_test_access)
#define KTHREAD_MM_TEST_PAIRS	100

#endif /* LAB_KTHREAD_MM_TEST_H */
