// SPDX-License-Identifier: GPL-2.0
/* How large an mm_struct becomes with what lazymm puts behind it. */
#include "native.h"

int main(int argc, char **argv)
{
	unsigned int size, cpus;

	if (argc != 3 || kstrtou32(argv[1], 0, &size) || kstrtou32(argv[2], 0, &cpus) || !cpus) {
		fprintf(stderr,
			"usage: layout BYTES CPUS\n"
			"Prints how many bytes an mm_struct that has BYTES, with its bitmaps for CPUS\n"
			"possible CPUs, is allocated with.\n");
		return 2;
	}
	shim_cpumask_bytes = ALIGN(cpus, 64) / 8;
	printf("%u\n", lazy_tlb_layout(size));
	return 0;
}
