/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_GENERIC_TABLE_SYNC_H
#define _ASM_GENERIC_TABLE_SYNC_H

/*
 * True if a flush of an mm's TLB that has sent interrupts and waited for them has reached
 * every CPU that uses the mm. False is always safe.
 */
static inline bool arch_table_flush_waits(void)
{
	return false;
}

#endif /* _ASM_GENERIC_TABLE_SYNC_H */
