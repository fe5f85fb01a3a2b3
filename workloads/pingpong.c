// SPDX-License-Identifier: GPL-2.0
/*
 * Threads of one process on different CPUs pass a byte to and fro through
 * pipes. While a thread waits for its byte its CPU idles and borrows the mm of
 * the process, so all CPUs enter and leave the same mm all the time. This is
 * the case in which counting borrowers hurts most.
 *
 * The first half of the CPUs pairs with the second; an odd one stays out.
 * One operation is one round trip: two switches.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

struct side {
	pthread_t thread;
	int cpu;
	int in, out;
	struct pace pace;	/* of the side that begins */
};

static void put_byte(struct side *side, unsigned char byte)
{
	if (write(side->out, &byte, 1) != 1)
		die("write to a pipe: %m");
}

/* Returns false at the end of the other side. */
static bool get_byte(struct side *side, unsigned char *byte)
{
	ssize_t n;

	do {
		n = read(side->in, byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		die("read from a pipe: %m");
	return n;
}

static void *ping(void *arg)
{
	struct side *side = arg;
	unsigned char sent = 0, got;

	pin(side->cpu);
	while (pace_more(&side->pace)) {
		put_byte(side, ++sent);
		if (!get_byte(side, &got))
			die("the other side has gone");
		if (got != (unsigned char)~sent)
			die("sent %d, got %d, not its complement", sent, got);
	}
	close(side->out);
	return NULL;
}

static void *pong(void *arg)
{
	struct side *side = arg;
	unsigned char byte;

	pin(side->cpu);
	while (get_byte(side, &byte))
		put_byte(side, ~byte);
	return NULL;
}

static void start(struct side *side, void *(*fn)(void *))
{
	int err = pthread_create(&side->thread, NULL, fn, side);

	if (err)
		die("pthread_create: %s", strerror(err));
}

static int pingpong(void)
{
	int pairs = opt.cpus.nr / 2;
	struct side *side = calloc(2 * pairs, sizeof(*side));

	if (!pairs)
		skip("needs two CPUs");
	if (!side)
		die("out of memory");

	for (int i = 0; i < pairs; i++) {
		struct side *a = &side[i], *b = &side[i + pairs];
		int to[2], back[2];

		if (pipe(to) || pipe(back))
			die("pipe: %m");
		*a = (struct side){
			.cpu = opt.cpus.cpu[i], .in = back[0], .out = to[1],
			.pace = pace_start(i, pairs),
		};
		*b = (struct side){
			.cpu = opt.cpus.cpu[i + pairs], .in = to[0], .out = back[1],
		};
		start(b, pong);
		start(a, ping);
	}
	for (int i = 0; i < 2 * pairs; i++)
		pthread_join(side[i].thread, NULL);
	count_exits(0, 2 * pairs);
	free(side);
	return 0;
}

WORKLOAD(pingpong) = {
	.desc	= "pipe ping-pong of threads on different CPUs: user - idle - user",
	.ops	= 5000,
	.run	= pingpong,
};
