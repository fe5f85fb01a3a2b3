// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel threads that execute a program: the uevent helper is set to this
 * program, and each 'add' written to a CPU's uevent file makes the kernel
 * start it. A helper reports through a fifo beside it, which shows that it ran
 * and keeps their number small. One operation is one helper.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workload.h"

#define UEVENT_HELPER "/sys/kernel/uevent_helper"
#define HELPER_TIMEOUT_MS 60000

static char old_helper[PATH_MAX];
static char directory[] = "/tmp/umh.XXXXXX", helper_path[80], fifo_path[80];

static const char *uevent_file(int cpu)
{
	static char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/uevent", cpu);
	return path;
}

static void setup(void)
{
	if (read_text(UEVENT_HELPER, old_helper, sizeof(old_helper)) < 0)
		skip(UEVENT_HELPER ": %m");
	if (access(uevent_file(opt.cpus.cpu[0]), W_OK))
		skip("%s: %m", uevent_file(opt.cpus.cpu[0]));
	if (!mkdtemp(directory))
		die("%s: %m", directory);
	sprintf(helper_path, "%s/umh-helper", directory);
	sprintf(fifo_path, "%s/done", directory);
}

static int cleanup(void)
{
	/* The newline, since nothing is written for an empty text. */
	strcat(old_helper, "\n");
	if (write_text(UEVENT_HELPER, old_helper)) {
		warn(UEVENT_HELPER ": can't write the old value back: %m");
		return -1;
	}
	unlink(helper_path);
	unlink(fifo_path);
	rmdir(directory);
	return 0;
}

/* Read what helpers have reported; wait for a first one if @wait. */
static long finished(int fifo, bool wait)
{
	struct pollfd pollfd = { .fd = fifo, .events = POLLIN };
	char buf[256];
	ssize_t n;

	if (wait && !poll(&pollfd, 1, HELPER_TIMEOUT_MS))
		die("the kernel has started no helper for %d seconds",
		    HELPER_TIMEOUT_MS / 1000);
	n = read(fifo, buf, sizeof(buf));
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("%s: %m", fifo_path);
	return n < 0 ? 0 : n;
}

static int umh(void)
{
	struct pace pace = pace_start(0, 1);
	char exe[PATH_MAX] = "";
	long done = 0;
	int fifo;

	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		die("/proc/self/exe: %m");
	if (symlink(exe, helper_path))
		die("%s: %m", helper_path);
	if (mkfifo(fifo_path, 0600))
		die("%s: %m", fifo_path);
	fifo = open(fifo_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fifo < 0)
		die("%s: %m", fifo_path);
	if (write_text(UEVENT_HELPER, helper_path))
		die(UEVENT_HELPER ": can't write '%s': %m", helper_path);

	while (pace_more(&pace)) {
		const char *file = uevent_file(opt.cpus.cpu[pace.done % opt.cpus.nr]);

		if (write_text(file, "add"))
			die("%s: can't write 'add': %m", file);
		while (pace.done - done >= opt.cpus.nr)
			done += finished(fifo, true);
	}
	while (done < pace.done)
		done += finished(fifo, true);
	if (finished(fifo, false))
		die("more helpers have run than were asked for");
	/* Helpers that have reported are still to exit. */
	sleep_ms(10);
	count_exits(done, done);
	return 0;
}

static int helper(int argc, char **argv)
{
	char path[PATH_MAX];
	int fifo;

	/* CPUs that come online cause events of their own: only those we wrote. */
	if (argc != 2 || !getenv("SYNTH_UUID"))
		return EXIT_OK;
	snprintf(path, sizeof(path), "%.*s/done",
		 (int)(strrchr(argv[0], '/') - argv[0]), argv[0]);
	fifo = open(path, O_WRONLY | O_NONBLOCK);
	if (fifo < 0 || write(fifo, "", 1) != 1)
		return EXIT_FAILED;
	return EXIT_OK;
}

WORKLOAD(umh) = {
	.desc	 = "programs executed by kernel threads, as uevent helpers",
	.ops	 = 100,
	.setup	 = setup,
	.run	 = umh,
	.cleanup = cleanup,
	.helper	 = helper,
};
