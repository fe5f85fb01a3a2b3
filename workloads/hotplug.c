// SPDX-License-Identifier: GPL-2.0
/*
 * Takes CPUs offline and online again, one at a time, all but CPU 0. One
 * operation is one CPU, there and back. All CPUs are online at the end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

static const char *online_file(int cpu)
{
	static char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	return path;
}

static bool can_go(int cpu)
{
	return cpu && !access(online_file(cpu), W_OK);
}

static void setup(void)
{
	for (int i = 0; i < opt.cpus.nr; i++)
		if (can_go(opt.cpus.cpu[i]))
			return;
	skip("none of the CPUs can go offline");
}

/* EBUSY is temporary: something else keeps hotplug away for a moment. */
static int set_online(int cpu, const char *value)
{
	for (int tries = 0; tries < 100; tries++) {
		if (!write_text(online_file(cpu), value))
			return 0;
		if (errno != EBUSY)
			return -1;
		sleep_ms(20);
	}
	return -1;
}

static int cleanup(void)
{
	char online[8];
	int err = 0;

	for (int i = 0; i < opt.cpus.nr; i++) {
		int cpu = opt.cpus.cpu[i];

		if (!can_go(cpu))
			continue;
		if (read_text(online_file(cpu), online, sizeof(online)) ||
		    (strcmp(online, "1") && set_online(cpu, "1"))) {
			warn("CPU %d can't be brought online: %m", cpu);
			err = -1;
		}
	}
	return err;
}

static void check(int cpu, const char *value)
{
	char online[8];

	if (set_online(cpu, value))
		die("%s: can't write %s: %m", online_file(cpu), value);
	if (read_text(online_file(cpu), online, sizeof(online)))
		die("%s: %m", online_file(cpu));
	if (strcmp(online, value))
		die("%s: is %s, should be %s", online_file(cpu), online, value);
}

static int hotplug(void)
{
	struct pace pace = pace_start(0, 1);
	int i = 0;

	while (pace_more(&pace)) {
		do {
			i = (i + 1) % opt.cpus.nr;
		} while (!can_go(opt.cpus.cpu[i]));
		check(opt.cpus.cpu[i], "0");
		check(opt.cpus.cpu[i], "1");
	}
	return 0;
}

WORKLOAD(hotplug) = {
	.desc	 = "takes CPUs offline and online again",
	.kind	 = DISTURB,
	.ops	 = 20,
	.setup	 = setup,
	.run	 = hotplug,
	.cleanup = cleanup,
};
