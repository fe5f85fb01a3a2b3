/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM table_sync

#if !defined(_TRACE_TABLE_SYNC_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_TABLE_SYNC_H

#include <linux/table_sync.h>
#include <linux/tracepoint.h>

struct mm_struct;

/* Their values, for programs that read binary records. */
TRACE_DEFINE_ENUM(TABLE_SYNC_BROADCAST);
TRACE_DEFINE_ENUM(TABLE_SYNC_RCU);
TRACE_DEFINE_ENUM(TABLE_SYNC_TRACKED);
TRACE_DEFINE_ENUM(TABLE_SYNC_RUNNING);
TRACE_DEFINE_ENUM(TABLE_SYNC_NONE);

#define table_sync_mode_name(mode) __print_symbolic(mode, TABLE_SYNC_MODE_NAMES)

/* Somebody has waited for the walks of an mm. */
TRACE_EVENT(table_sync,

	TP_PROTO(struct mm_struct *mm, int mode, unsigned int cpus),

	TP_ARGS(mm, mode, cpus),

	TP_STRUCT__entry(
		__field(void *, mm)
		__field(int, mode)
		__field(unsigned int, cpus)
	),

	TP_fast_assign(
		__entry->mm = mm;
		__entry->mode = mode;
		__entry->cpus = cpus;
	),

	TP_printk("mm=%p mode=%s cpus=%u", __entry->mm,
		  table_sync_mode_name(__entry->mode), __entry->cpus)
);

/* Somebody chose another mode. */
TRACE_EVENT(table_sync_mode,

	TP_PROTO(int from, int to),

	TP_ARGS(from, to),

	TP_STRUCT__entry(
		__field(int, from)
		__field(int, to)
	),

	TP_fast_assign(
		__entry->from = from;
		__entry->to = to;
	),

	TP_printk("%s -> %s", table_sync_mode_name(__entry->from),
		  table_sync_mode_name(__entry->to))
);

#endif /* _TRACE_TABLE_SYNC_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
