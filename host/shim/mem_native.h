/* SPDX-License-Identifier: GPL-2.0 */
/* Accesses to shared memory as this machine does them. A thread is a CPU. */
#ifndef SHIM_MEM_NATIVE_H
#define SHIM_MEM_NATIVE_H

extern __thread int shim_this_cpu;

#define smp_processor_id()	(shim_this_cpu)

/* Random waits before accesses, which bring CPUs into each other's critical moments. */
#ifdef SHIM_DELAYS
extern __thread int shim_until_delay;
void shim_delay(void);

static __always_inline void mem_delay(void)
{
	if (__builtin_expect(!--shim_until_delay, 0))
		shim_delay();
}
#else
#define mem_delay()	((void)0)
#endif

/* @size is a constant where this is inlined, so the compiler keeps one of the branches. */
static __always_inline u64 mem_load(const volatile void *p, int size, enum mem_order order)
{
	int c11 = order == MEM_ORDERED ? __ATOMIC_ACQUIRE : __ATOMIC_RELAXED;

	mem_delay();
	return size == 8 ? __atomic_load_n((const volatile u64 *)p, c11) :
	       size == 4 ? __atomic_load_n((const volatile u32 *)p, c11) :
			   __atomic_load_n((const volatile uint8_t *)p, c11);
}

static __always_inline void mem_store(volatile void *p, u64 v, int size, enum mem_order order)
{
	int c11 = order == MEM_ORDERED ? __ATOMIC_RELEASE : __ATOMIC_RELAXED;

	mem_delay();
	if (size == 8)
		__atomic_store_n((volatile u64 *)p, v, c11);
	else if (size == 4)
		__atomic_store_n((volatile u32 *)p, (u32)v, c11);
	else
		__atomic_store_n((volatile uint8_t *)p, (uint8_t)v, c11);
}

static __always_inline u64 mem_xchg(volatile void *p, u64 v, int size)
{
	mem_delay();
	return size == 8 ? __atomic_exchange_n((volatile u64 *)p, v, __ATOMIC_SEQ_CST) :
			   __atomic_exchange_n((volatile u32 *)p, (u32)v, __ATOMIC_SEQ_CST);
}

static __always_inline u64 mem_cmpxchg(volatile void *p, u64 old, u64 new, int size)
{
	u32 old4 = (u32)old;

	mem_delay();
	if (size == 8) {
		__atomic_compare_exchange_n((volatile u64 *)p, &old, new, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		return old;
	}
	__atomic_compare_exchange_n((volatile u32 *)p, &old4, (u32)new, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old4;
}

/* Returns the new value: a full barrier. */
static __always_inline u64 mem_add(volatile void *p, long n, int size)
{
	mem_delay();
	return size == 8 ? __atomic_add_fetch((volatile u64 *)p, (u64)n, __ATOMIC_SEQ_CST) :
			   __atomic_add_fetch((volatile u32 *)p, (u32)n, __ATOMIC_SEQ_CST);
}

/* The atomic operations that return nothing, and order nothing. */
static __always_inline void mem_add_later(volatile void *p, long n, int size)
{
	mem_delay();
	if (size == 8)
		__atomic_fetch_add((volatile u64 *)p, (u64)n, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add((volatile u32 *)p, (u32)n, __ATOMIC_RELAXED);
}

static __always_inline void mem_or_later(volatile unsigned long *p, unsigned long bits)
{
	mem_delay();
	__atomic_fetch_or(p, bits, __ATOMIC_RELAXED);
}

/* No instruction on x86, and none under ThreadSanitizer, which knows no fences. */
static __always_inline void mem_rmb(void)
{
#if defined(__x86_64__) || defined(__SANITIZE_THREAD__)
	__asm__ volatile("" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

static __always_inline void mem_wmb(void)
{
#if defined(__x86_64__) || defined(__SANITIZE_THREAD__)
	__asm__ volatile("" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

static __always_inline void mem_fence(void)
{
#ifdef __SANITIZE_THREAD__
	/* An atomic operation instead would tell ThreadSanitizer of an order that isn't there. */
	__asm__ volatile("" ::: "memory");
#endif
#if defined(__x86_64__)
	/* The kernel's smp_mb(), which is faster than mfence. */
	__asm__ volatile("lock; addl $0,-4(%%rsp)" ::: "memory", "cc");
#elif !defined(__SANITIZE_THREAD__)
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* On x86 an atomic operation is a full barrier, and xchg is a store with one, as in the kernel. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
static __always_inline void mem_fence_after_atomic(void)
{
	__asm__ volatile("" ::: "memory");
}

static __always_inline void mem_store_fence(volatile void *p, u64 v, int size)
{
	mem_xchg(p, v, size);
}
#else
#define mem_fence_after_atomic()	mem_fence()

static __always_inline void mem_store_fence(volatile void *p, u64 v, int size)
{
	mem_store(p, v, size, MEM_RELAXED);
	mem_fence();
}
#endif

/* A load without delay and without order. */
#define mem_peek(x)	__atomic_load_n(&(x), __ATOMIC_RELAXED)

#endif /* SHIM_MEM_NATIVE_H */
