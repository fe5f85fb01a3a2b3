/* SPDX-License-Identifier: GPL-2.0 */
/* The interface of the kernel's gup_test, see mm/gup_test.h there. */
#ifndef LAB_GUP_TEST_H
#define LAB_GUP_TEST_H

#include <stdint.h>
#include <sys/ioctl.h>

#define GUP_TEST	"/sys/kernel/debug/gup_test"

struct gup_test {
	uint64_t get_delta_usec;
	uint64_t put_delta_usec;
	uint64_t addr;
	uint64_t size;
	uint32_t nr_pages_per_call;
	uint32_t gup_flags;
	uint32_t test_flags;
	uint32_t which_pages[8];
};

#define GUP_FAST_BENCHMARK	_IOWR('g', 1, struct gup_test)

#endif /* LAB_GUP_TEST_H */
