// SPDX-License-Identifier: GPL-2.0
/*
 * Goes round the settings that a file of the kernel offers, one in brackets, while
 * other workloads run. The setting of the beginning comes back at the end.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

#define MAX_CHOICES 16

static const char *file;
static char offered[256];		/* "refcount none [hazard] shootdown" */
static char *choice[MAX_CHOICES];
static const char *first;
static int nr_choices;

/* True if @word is one of the words of @list. */
static bool among(const char *word, const char *list)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
			return true;
	return false;
}

void choices_setup(const char *path, const char *only)
{
	file = path;
	if (read_text(file, offered, sizeof(offered)) < 0)
		skip("%s: %m", file);
	for (char *p = strtok(offered, " "); p && nr_choices < MAX_CHOICES;
	     p = strtok(NULL, " ")) {
		bool now = *p == '[';

		if (now) {
			p++;
			p[strcspn(p, "]")] = '\0';
			first = p;
		}
		if (!only || among(p, only))
			choice[nr_choices++] = p;
	}
	if (nr_choices < 2)
		skip("%s offers no choice", file);
}

int choices_cleanup(void)
{
	if (!write_text(file, first))
		return 0;
	warn("%s: can't write '%s' back: %m", file, first);
	return -1;
}

static void choose(const char *name)
{
	char now[256], expected[64];

	if (write_text(file, name))
		die("%s: can't write '%s': %m", file, name);
	if (read_text(file, now, sizeof(now)))
		die("%s: %m", file);
	snprintf(expected, sizeof(expected), "[%s]", name);
	if (!strstr(now, expected))
		die("%s: is '%s' after '%s' was written", file, now, name);
}

int choices_run(void)
{
	struct pace pace = pace_start(0, 1);

	while (pace_more(&pace)) {
		choose(choice[pace.done % nr_choices]);
		sleep_ms(opt.interval_ms);
	}
	return 0;
}
