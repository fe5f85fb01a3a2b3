// SPDX-License-Identifier: GPL-2.0
/*
 * Goes round the lazy-TLB schemes of the kernel while other workloads run. One
 * operation is one change. The scheme of the beginning comes back at the end.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

#define SCHEME "/sys/kernel/mm/lazy_tlb/scheme"
#define MAX_SCHEMES 16

static char offered[256];		/* "refcount none [hazard] shootdown" */
static char *scheme[MAX_SCHEMES];
static int nr_schemes, first;

static void setup(void)
{
	if (read_text(SCHEME, offered, sizeof(offered)) < 0)
		skip(SCHEME ": %m");
	for (char *p = strtok(offered, " "); p && nr_schemes < MAX_SCHEMES;
	     p = strtok(NULL, " ")) {
		if (*p == '[') {
			first = nr_schemes;
			p++;
			p[strcspn(p, "]")] = '\0';
		}
		scheme[nr_schemes++] = p;
	}
	if (nr_schemes < 2)
		skip(SCHEME " offers no choice");
}

static int cleanup(void)
{
	if (!write_text(SCHEME, scheme[first]))
		return 0;
	warn(SCHEME ": can't write '%s' back: %m", scheme[first]);
	return -1;
}

static void choose(const char *name)
{
	char now[256], expected[64];

	if (write_text(SCHEME, name))
		die(SCHEME ": can't write '%s': %m", name);
	if (read_text(SCHEME, now, sizeof(now)))
		die(SCHEME ": %m");
	snprintf(expected, sizeof(expected), "[%s]", name);
	if (!strstr(now, expected))
		die(SCHEME ": is '%s' after '%s' was written", now, name);
}

static int schemes(void)
{
	struct pace pace = pace_start(0, 1);
	int i = first;

	while (pace_more(&pace)) {
		i = (i + 1) % nr_schemes;
		choose(scheme[i]);
		sleep_ms(opt.interval_ms);
	}
	return 0;
}

WORKLOAD(schemes) = {
	.desc	 = "goes round the lazy-TLB schemes",
	.kind	 = DISTURB,
	.ops	 = 40,
	.setup	 = setup,
	.run	 = schemes,
	.cleanup = cleanup,
};
