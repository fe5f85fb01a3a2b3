// SPDX-License-Identifier: GPL-2.0
/* The size of an mm_struct with struct lazy_tlb behind it, on machines of any size. */
#include <limits.h>

#include "native.h"

/* Zero if @text is no positive number. */
static unsigned int number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	return *text && !*end && value <= UINT_MAX ? value : 0;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: layout BYTES CPUS\n"
		"Prints the number of bytes allocated for an mm_struct on a machine with CPUS\n"
		"possible CPUs. BYTES is its size with its own bitmaps, without lazymm.\n");
}

int main(int argc, char **argv)
{
	unsigned int size, cpus;

	if (argc == 2 && !strcmp(argv[1], "-h")) {
		usage(stdout);
		return 0;
	}
	size = argc == 3 ? number(argv[1]) : 0;
	cpus = argc == 3 ? number(argv[2]) : 0;
	if (!size || !cpus) {
		fprintf(stderr, "layout: takes two numbers above 0\n");
		usage(stderr);
		return 2;
	}
	shim_cpumask_bytes = ALIGN(cpus, 64) / 8;
	printf("%u\n", lazy_tlb_layout(size));
	return 0;
}
