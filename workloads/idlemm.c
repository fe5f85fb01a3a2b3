// SPDX-License-Identifier: GPL-2.0
/*
 * A process with a thread on every CPU, all asleep, so that all CPUs idle on
 * its mm; then it exits. That is when a final drop finds the most borrowers.
 * One operation is one such process.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "workload.h"

#ifndef PR_FUTEX_HASH
#define PR_FUTEX_HASH		78
#define PR_FUTEX_HASH_SET_SLOTS	1
#endif

static atomic_int in_place;

static void *sleeper(void *arg)
{
	pin((long)arg);
	atomic_fetch_add(&in_place, 1);
	for (;;)
		pause();
	return NULL;
}

/* The process that ends. Its first thread sleeps on a CPU like the others. */
static void lie_down(void)
{
	pthread_attr_t attr;

	/*
	 * Linux 6.17 and later give a process a hash table for its futexes and enlarge
	 * it from the fifth thread on. The old table is kept, and with it mm_users, for
	 * a grace period of RCU: the mm would end when the next process has taken the
	 * CPUs. A table whose size was asked for stays as it is. Older kernels refuse.
	 */
	prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, 16L, 0L);

	atomic_store(&in_place, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	pin(opt.cpus.cpu[0]);
	for (int i = 1; i < opt.cpus.nr; i++) {
		void *cpu = (void *)(long)opt.cpus.cpu[i];
		pthread_t thread;
		int err = pthread_create(&thread, &attr, sleeper, cpu);

		if (err)
			die("pthread_create: %s", strerror(err));
	}
	while (atomic_load(&in_place) < opt.cpus.nr - 1)
		sleep_ms(1);
	/* From there to pause(), and from pause() to idle. */
	sleep_ms(1);
	_exit(EXIT_OK);
}

static int idlemm(void)
{
	struct pace pace = pace_start(0, 1);

	while (pace_more(&pace)) {
		pid_t pid = fork_child();

		if (!pid)
			lie_down();
		wait_child(pid);
	}
	count_exits(pace.done, pace.done * opt.cpus.nr);
	return 0;
}

WORKLOAD(idlemm) = {
	.desc	= "processes that exit while all CPUs idle on their mm",
	.ops	= 50,
	.run	= idlemm,
};
