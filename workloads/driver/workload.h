/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver as a workload file sees it. Adding a workload is adding a file
 * that fills in a struct workload:
 *
 *	static int example(void)
 *	{
 *		struct pace pace = pace_start(0, 1);
 *
 *		while (pace_more(&pace))
 *			...
 *		return 0;
 *	}
 *
 *	WORKLOAD(example) = {
 *		.desc	= "one line for workload -l",
 *		.ops	= 1000,
 *		.run	= example,
 *	};
 */
#ifndef LAB_WORKLOAD_H
#define LAB_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum exit_code {
	EXIT_OK		= 0,
	EXIT_FAILED	= 1,
	EXIT_USAGE	= 2,
	EXIT_SKIPPED	= 77,	/* this kernel or machine lacks something */
};

enum workload_kind {
	WORK,		/* has figures worth comparing */
	SYNC,		/* the same, and the kernel waits for page-table walks */
	DISTURB,	/* changes the kernel's state while others run */
	PATCH,		/* makes the kernel patch code that others execute */
	TOOL,		/* has no figures of the driver's, prints its own */
};

/**
 * struct workload - the contents of one file of this directory
 * @desc: one line for the list
 * @kind: see enum workload_kind
 * @ops: default number of operations
 * @setup: optional, runs before anything else: remember what @cleanup restores,
 *	skip() if the kernel or the machine lacks something
 * @run: the workload. Runs in a process of its own (a TOOL: in the only one),
 *	returns 0 or calls die()
 * @cleanup: optional, runs in the process that ran @setup, however @run ended:
 *	returned, failed, crashed or was interrupted. Returns 0 or -1
 * @helper: optional, main() of the program when argv[0] is NAME-helper
 */
struct workload {
	const char *desc;
	enum workload_kind kind;
	long ops;
	void (*setup)(void);
	int (*run)(void);
	int (*cleanup)(void);
	int (*helper)(int argc, char **argv);
};

struct workload_entry {
	const char *name;
	const struct workload *workload;
};

#define WORKLOAD(id)							\
	static const struct workload workload_##id;			\
	static const struct workload_entry workload_entry_##id		\
	__attribute__((used, section("workloads"))) = {			\
		#id, &workload_##id					\
	};								\
	static const struct workload workload_##id

/* -- options of the command line --------------------------------------------- */

#define MAX_CPUS 4096

struct cpu_list {
	int nr;
	int cpu[MAX_CPUS];
};

struct options {
	struct cpu_list cpus;	/* never empty */
	long ops;		/* not used if seconds is set */
	int seconds;
	int interval_ms;	/* between two steps of a DISTURB */
	bool hotplug;		/* CPUs may go offline meanwhile */
	struct cpu_list user_cpus;	/* a thread stays on each in user mode; may be empty */
};

extern struct options opt;

/* -- duration ---------------------------------------------------------------- */

struct pace {
	long done;
	long share;
};

/* The pace of worker @worker of @nr workers; together they do opt.ops. */
struct pace pace_start(int worker, int nr);
/* Whether to do another operation; counts it. */
bool pace_more(struct pace *pace);

/* -- figures, from any process and thread ------------------------------------ */

/* @processes whole processes exited, which had @threads threads in all. */
void count_exits(long processes, long threads);

/* A thread in user mode has been kept from running for @us microseconds. */
void count_gap(long us);

/* -- trouble ----------------------------------------------------------------- */

/* Print on stderr with the program's and the workload's name, and _exit(). */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The same without leaving. */
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* -- CPUs and processes ------------------------------------------------------ */

/* "0-3,5". Returns -1 if the text is no such list or empty. */
int cpu_list_parse(struct cpu_list *list, const char *text);
/* The list in /sys/devices/system/cpu/@which. */
void cpu_list_read(struct cpu_list *list, const char *which);
bool cpu_list_has(const struct cpu_list *list, int cpu);

/* -1 and errno if the calling thread can't be moved to @cpu. */
int move_to(int cpu);
/* Pin the calling thread to @cpu; if opt.hotplug to any if @cpu is offline. */
void pin(int cpu);
/* Take back a pin(). */
void unpin(void);

/* fork() that can't fail; the child dies with its parent. */
pid_t fork_child(void);
/* Wait for @pid; die() unless it exited with 0. */
void wait_child(pid_t pid);
/* Run @fn(cpu, i) in one child a CPU of opt.cpus and wait for all of them. */
void on_each_cpu(void (*fn)(int cpu, int i));

/* -- CPUs in user mode ---------------------------------------------------------- */

/*
 * Start a thread of this process on each of opt.user_cpus, which stays in user mode. The
 * walkers of SYNC have them; the driver gives those of WORK a process of their own.
 */
void pollers_start(void);
void pollers_stop(void);
/* Leave process @k of @nr its part of opt.user_cpus. */
void pollers_share(int k, int nr);

/* -- walks of page tables ---------------------------------------------------- */

/*
 * Memory that walkers look at: @pages, @stride apart. The first word of page i is
 * 0 or walk_signature(i), or there is no page.
 */
struct walk_region {
	char *start;
	size_t stride;
	unsigned long pages;
};

uint64_t walk_signature(unsigned long page);
/*
 * Start @nr threads that walk page tables all the time, on the CPUs of opt.cpus from
 * number @first on, round and round; every other one moves on now and then.
 */
void walkers_start(const struct walk_region *region, int first, int nr);
void walkers_stop(void);
/*
 * While @away they walk other pages of the process only: each page that is written
 * after they have looked at it costs a flush on all their CPUs.
 */
void walkers_look_away(bool away);

/* The total of a counter in TABLE_SYNC_COUNTERS; 0 if there is none. */
long table_sync_counter(const char *name);

/* For .setup and .cleanup: a walk that the kernel's oracle saw survive is a failure. */
void oracle_setup(void);
int oracle_cleanup(void);

/* -- files of lazymm --------------------------------------------------------- */

#define LAZY_TLB_SCHEME		"/sys/kernel/mm/lazy_tlb/scheme"
#define TABLE_SYNC_MODE		"/sys/kernel/mm/table_sync/mode"
#define TABLE_SYNC_COUNTERS	"/sys/kernel/debug/table_sync"

/* -- settings of the kernel -------------------------------------------------- */

/*
 * Go round the choices that the file @path offers, as in "one [two] three", or those of
 * them that are in @only, words with blanks between, unless that is NULL. One operation is
 * one change. For .setup, .run and .cleanup of a DISTURB.
 */
void choices_setup(const char *path, const char *only);
int choices_run(void);
int choices_cleanup(void);

/* One setting of the kernel's fault injection. */
struct fault_setting {
	const char *path, *value;
};

/*
 * For .setup: put @nr settings in force as soon as no other workload has some, skip()
 * if there is no fault injection. For .cleanup: put back the settings from before.
 */
void faults_setup(const struct fault_setting *settings, int nr);
int faults_cleanup(void);

/*
 * For .setup: wait until no other workload that has asked for @what runs. For .cleanup:
 * others may run now.
 */
void alone(const char *what);
void not_alone(const char *what);

/*
 * The number of mm_structs after a grace period. No CPU gives back the mm that it borrows
 * for that. skip() if the kernel doesn't tell.
 */
long count_mms(void);

/* -- memory ------------------------------------------------------------------ */

unsigned long page_size(void);
/* The memory that a table of PTEs maps, which is that of a huge page. */
unsigned long table_size(void);
/* @size bytes of addresses, aligned to @align, for mprotect() or mmap() with MAP_FIXED. */
char *reserve(size_t size, size_t align);

/* -- the cost of code in instructions, see insns.c --------------------------- */

/* The least cost of @fn(@arg) that is frequent in so many rounds. */
double insns_of(void (*fn)(void *arg), void *arg, int rounds);
/* The cost of a single round. */
double insns_of_once(void (*fn)(void *arg), void *arg);

/* -- small files ------------------------------------------------------------- */

/* Read a whole file into @buf, without a newline at its end; -1 and errno. */
int read_text(const char *path, char *buf, size_t size);
/* Write @text in one write(); -1 and errno. */
int write_text(const char *path, const char *text);

void sleep_ms(long ms);
long now_ms(void);

#endif /* LAB_WORKLOAD_H */
