// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own torture tests of RCU and of locks: a module begins when it is
 * loaded and prints its result when it is unloaded. Only one of them can be loaded at a
 * time. Readers, writers and their pauses are few, so that other workloads get the
 * CPUs; CPUs are taken offline by the workload hotplug. One operation is a wait of
 * 100 ms (-i).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

#define MODULES	"/run/lab/modules/"

/*
 * The pauses (stutter) are as long as the module wants: it reports an object for which ten
 * grace periods don't fit into one, and a busy guest needs more than a second for them.
 */
#define RCU_PARAMETERS							\
	"verbose=0 stat_interval=0 shuffle_interval=0 "			\
	"nreaders=2 nfakewriters=1 fwd_progress=0 test_boost=0 "	\
	"read_exit_delay=1 read_exit_burst=4 "
#define LOCK_PARAMETERS							\
	"verbose=0 stat_interval=0 shuffle_interval=0 "			\
	"nreaders_stress=2 nwriters_stress=2 long_hold=0 rt_boost=0 "

static const char *const locks[] = {
	"mutex_lock", "spin_lock", "spin_lock_irq", "rwsem_lock", "rw_lock", "percpu_rwsem_lock",
};

static int kernel_log;

static void setup_module(const char *module)
{
	char path[128];

	snprintf(path, sizeof(path), MODULES "%s.ko", module);
	if (access(path, R_OK))
		skip("%s: %m", path);
	alone("torture");
	kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kernel_log < 0 || lseek(kernel_log, 0, SEEK_END) < 0)
		die("/dev/kmsg: %m");
}

static int load(const char *module, const char *parameters)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), MODULES "%s.ko", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s: %m", path);
	err = syscall(SYS_finit_module, fd, parameters, 0);
	close(fd);
	return err;
}

static int torture(const char *module, const char *parameters)
{
	struct pace pace = pace_start(0, 1);

	if (load("torture", "") && errno != EEXIST)
		die("module torture: %m");
	if (load(module, parameters))
		die("module %s with %s: %m", module, parameters);
	while (pace_more(&pace))
		sleep_ms(opt.interval_ms);
	return 0;
}

/* The result in the kernel's log, NULL if there is none. */
static const char *verdict(void)
{
	static char record[8192];
	const char *end;
	ssize_t n;

	for (;;) {
		n = read(kernel_log, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)	/* some were overwritten */
			continue;
		if (n < 0)
			return NULL;
		record[n] = '\0';
		end = strstr(record, "-torture:");
		if (end && (end = strstr(end, "End of test: ")))
			return end;
	}
}

static int judge(void)
{
	static const char good[] = "End of test: SUCCESS";
	const char *end = verdict();

	if (end && !strncmp(end, good, strlen(good)))
		return 0;
	warn("%.40s", end ? end : "no end of the test in the kernel's log");
	return -1;
}

static int unload(const char *module)
{
	int err = syscall(SYS_delete_module, module, 0);

	if (err && errno == ENOENT)	/* it never began, and that has been said */
		err = 0;
	else if (err)
		warn("module %s can't be unloaded: %m", module);
	else
		err = judge();
	not_alone("torture");
	return err;
}

static void setup_rcu(void)
{
	setup_module("rcutorture");
}

static int torture_rcu(void)
{
	return torture("rcutorture", RCU_PARAMETERS);
}

static int cleanup_rcu(void)
{
	return unload("rcutorture");
}

WORKLOAD(rcutorture) = {
	.desc	 = "the kernel's torture test of RCU",
	.kind	 = DISTURB,
	.ops	 = 50,
	.setup	 = setup_rcu,
	.run	 = torture_rcu,
	.cleanup = cleanup_rcu,
};

static void setup_locks(void)
{
	setup_module("locktorture");
}

/* A kind of lock for each run. */
static int torture_locks(void)
{
	char parameters[256];

	srandom(now_ms());
	snprintf(parameters, sizeof(parameters), LOCK_PARAMETERS "torture_type=%s",
		 locks[random() % (sizeof(locks) / sizeof(locks[0]))]);
	return torture("locktorture", parameters);
}

static int cleanup_locks(void)
{
	return unload("locktorture");
}

WORKLOAD(locktorture) = {
	.desc	 = "the kernel's torture test of locks",
	.kind	 = DISTURB,
	.ops	 = 50,
	.setup	 = setup_locks,
	.run	 = torture_locks,
	.cleanup = cleanup_locks,
};
