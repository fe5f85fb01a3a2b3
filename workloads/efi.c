// SPDX-License-Identifier: GPL-2.0
/*
 * EFI runtime calls: each CPU's process reads EFI variables. A kworker makes the
 * calls, and runs on efi_mm meanwhile, so it stops and starts to borrow in the
 * middle of everything.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "workload.h"

#define EFIVARS "/sys/firmware/efi/efivars"

static char variable[512];

/* The first variable that can be read. */
static void setup(void)
{
	struct dirent *entry;
	char text[4096];
	DIR *dir;

	if (access(EFIVARS, X_OK))
		skip("no EFI variables: " EFIVARS ": %m");
	if (mount("efivarfs", EFIVARS, "efivarfs", 0, NULL) && errno != EBUSY)
		skip("mount " EFIVARS ": %m");
	dir = opendir(EFIVARS);
	if (!dir)
		skip(EFIVARS ": %m");
	while (!variable[0] && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(variable, sizeof(variable), EFIVARS "/%s", entry->d_name);
		if (read_text(variable, text, sizeof(text)) < 0)
			variable[0] = '\0';
	}
	closedir(dir);
	if (!variable[0])
		skip("no EFI variable can be read in " EFIVARS);
}

static void reader(int cpu, int i)
{
	struct pace pace = pace_start(i, opt.cpus.nr);
	char text[4096];

	pin(cpu);
	while (pace_more(&pace)) {
		int fd = open(variable, O_RDONLY);

		if (fd < 0)
			die("%s: %m", variable);
		if (read(fd, text, sizeof(text)) <= 0 && errno != EINTR)
			die("read %s: %m", variable);
		close(fd);
	}
}

static int efi(void)
{
	on_each_cpu(reader);
	return 0;
}

WORKLOAD(efi) = {
	.desc	= "EFI runtime calls, made by a kworker on efi_mm",
	.ops	= 2000,
	.setup	= setup,
	.run	= efi,
};
