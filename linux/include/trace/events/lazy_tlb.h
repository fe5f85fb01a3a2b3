/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lazy_tlb

#if !defined(_TRACE_LAZY_TLB_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_LAZY_TLB_H

#include <linux/lazy_tlb.h>
#include <linux/tracepoint.h>

struct mm_struct;

/* A final drop made the reference of a borrowing CPU a counted one. */
TRACE_EVENT(lazy_tlb_handoff,

	TP_PROTO(struct mm_struct *mm, unsigned int cpu),

	TP_ARGS(mm, cpu),

	TP_STRUCT__entry(
		__field(void *, mm)
		__field(unsigned int, cpu)
	),

	TP_fast_assign(
		__entry->mm = mm;
		__entry->cpu = cpu;
	),

	TP_printk("mm=%p borrower=%u", __entry->mm, __entry->cpu)
);

/* One round of shootdown: so many mms, so many CPUs interrupted for them. */
TRACE_EVENT(lazy_tlb_shootdown,

	TP_PROTO(unsigned int mms, unsigned int cpus),

	TP_ARGS(mms, cpus),

	TP_STRUCT__entry(
		__field(unsigned int, mms)
		__field(unsigned int, cpus)
	),

	TP_fast_assign(
		__entry->mms = mms;
		__entry->cpus = cpus;
	),

	TP_printk("mms=%u cpus=%u", __entry->mms, __entry->cpus)
);

/* Their values, for programs that read binary records. */
TRACE_DEFINE_ENUM(LAZY_TLB_REFCOUNT);
TRACE_DEFINE_ENUM(LAZY_TLB_NONE);
TRACE_DEFINE_ENUM(LAZY_TLB_HAZARD);
TRACE_DEFINE_ENUM(LAZY_TLB_SHOOTDOWN);

#define lazy_tlb_scheme_name(scheme) __print_symbolic(scheme, LAZY_TLB_SCHEME_NAMES)

/* Somebody chose another scheme. */
TRACE_EVENT(lazy_tlb_scheme,

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

	TP_printk("%s -> %s", lazy_tlb_scheme_name(__entry->from),
		  lazy_tlb_scheme_name(__entry->to))
);

#endif /* _TRACE_LAZY_TLB_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
