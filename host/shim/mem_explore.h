/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Accesses to shared memory as steps of the explorer (explore.c). Before each access it
 * chooses which CPU takes the next step. Stores, and atomic operations that return nothing,
 * wait in a buffer of their CPU until the explorer lets them out. They may come later than
 * accesses that follow them in the program, unless a barrier or a release forbids it.
 */
#ifndef SHIM_MEM_EXPLORE_H
#define SHIM_MEM_EXPLORE_H

int smp_processor_id(void);

u64 mem_load(const volatile void *p, int size, enum mem_order order);
void mem_store(volatile void *p, u64 v, int size, enum mem_order order);
u64 mem_xchg(volatile void *p, u64 v, int size);
u64 mem_cmpxchg(volatile void *p, u64 old, u64 new, int size);
u64 mem_add(volatile void *p, long n, int size);
void mem_add_later(volatile void *p, long n, int size);
void mem_or_later(volatile unsigned long *p, unsigned long bits);
void mem_fence(void);
void mem_wmb(void);
/* It orders loads only, and those happen in program order here. */
#define mem_rmb()		((void)0)
#define mem_fence_after_atomic()	mem_fence()
#define mem_store_fence(p, v, size) do {					\
	mem_store(p, v, size, MEM_RELAXED);				\
	mem_fence();							\
} while (0)

/* A load that is no step. */
#define mem_peek(x)	(x)

#endif /* SHIM_MEM_EXPLORE_H */
