// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of some code in instructions, for a guest with one CPU in which an instruction
 * takes a nanosecond (lab/vm -n 1 -i 0): its clock then is a counter of instructions. On
 * other machines the results are nanoseconds.
 *
 * The clock may go on in steps of several nanoseconds, so the same cost is seen as one or
 * the other of two multiples of the step. Their mean is the cost.
 */
#include <stdlib.h>
#include <time.h>

#include "workload.h"

#define MAX_ROUNDS	1000
#define FREQUENT	10	/* one round in so many */
#define ROUNDS_IN_A_ROW	20
#define PAUSE_MS	50

static uint64_t now_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC_RAW, &t))
		die("clock_gettime of CLOCK_MONOTONIC_RAW: %m");
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/* Includes the time of one reading of the clock. */
static uint64_t interval(void (*fn)(void *arg), void *arg)
{
	uint64_t start = now_ns();

	fn(arg);
	return now_ns() - start;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Sorted intervals, which are multiples of the clock's step. */
static void measure(void (*fn)(void *arg), void *arg, uint64_t *took, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		if (i % ROUNDS_IN_A_ROW == 0)
			sleep_ms(PAUSE_MS);
		took[i] = interval(fn, arg);
	}
	qsort(took, rounds, sizeof(took[0]), compare);
}

/*
 * The least cost that is frequent: one without interrupts, and not that of an odd round
 * in which the kernel had less to do.
 */
static double usual_interval(void (*fn)(void *arg), void *arg, int rounds)
{
	static uint64_t took[MAX_ROUNDS];
	uint64_t step = 0;

	if (rounds > MAX_ROUNDS)
		die("%d rounds, at most %d are possible", rounds, MAX_ROUNDS);
	measure(fn, arg, took, rounds);
	for (int i = 0; i < rounds; i++)
		step = common_divisor(took[i], step);
	for (int i = 0; i < rounds; i++) {
		uint64_t sum = 0;
		int nr = 0;

		while (i + nr < rounds && took[i + nr] <= took[i] + step)
			sum += took[i + nr++];
		if (nr >= rounds / FREQUENT)
			return (double)sum / nr;
	}
	skip("the costs of %d rounds all differ: the clock counts no instructions (lab/vm -n 1 -i 0)",
	     rounds);
}

static void nothing(void *unused)
{
	(void)unused;
}

static double own_cost(void)
{
	static double cost = -1;

	if (cost < 0)
		cost = usual_interval(nothing, NULL, MAX_ROUNDS);
	return cost;
}

double insns_of(void (*fn)(void *arg), void *arg, int rounds)
{
	double own = own_cost();

	return usual_interval(fn, arg, rounds) - own;
}

double insns_of_once(void (*fn)(void *arg), void *arg)
{
	double own = own_cost();

	return interval(fn, arg) - own;
}
