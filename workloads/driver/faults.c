// SPDX-License-Identifier: GPL-2.0
/*
 * Settings of the kernel's fault injection. They are the same for all tasks, so a workload
 * that needs some is the only one with settings until it ends.
 */
#include <unistd.h>

#include "workload.h"

#define MAX_SETTINGS 16

static const struct fault_setting *settings;
static int nr_settings;
static char before[MAX_SETTINGS][32];

void faults_setup(const struct fault_setting *wanted, int nr)
{
	if (nr > MAX_SETTINGS)
		die("%d settings of fault injection, at most %d are possible", nr, MAX_SETTINGS);
	for (int i = 0; i < nr; i++)
		if (access(wanted[i].path, R_OK | W_OK))
			skip("no fault injection: %s: %m", wanted[i].path);
	alone("faults");
	settings = wanted;
	for (nr_settings = 0; nr_settings < nr; nr_settings++) {
		const struct fault_setting *s = &wanted[nr_settings];

		if (read_text(s->path, before[nr_settings], sizeof(before[0])))
			die("%s: %m", s->path);
		if (write_text(s->path, s->value))
			die("%s: can't write '%s': %m", s->path, s->value);
	}
}

int faults_cleanup(void)
{
	int err = 0;

	while (nr_settings--)
		if (write_text(settings[nr_settings].path, before[nr_settings])) {
			warn("%s: can't write '%s' back: %m", settings[nr_settings].path,
			     before[nr_settings]);
			err = -1;
		}
	not_alone("faults");
	return err;
}
