/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_GENERIC_TABLE_SYNC_H
#define _ASM_GENERIC_TABLE_SYNC_H

/*
 * Has a flush of an mm's TLB interrupted every CPU that uses the mm, when it returns?
 * Not where hardware broadcasts invalidations, and not unless somebody looked.
 */
static inline bool arch_table_flush_waits(void)
{
	return false;
}

#endif /* _ASM_GENERIC_TABLE_SYNC_H */
