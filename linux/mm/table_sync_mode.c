// SPDX-License-Identifier: GPL-2.0
/*
 * Choosing how to wait for page-table walks: the boot parameter table_sync= and the
 * file /sys/kernel/mm/lazy_tlb/table_sync. What a mode means is in table_sync.c.
 */
#include <linux/init.h>
#include <linux/lazy_tlb_choice.h>
#include <linux/string.h>

#include "table_sync.h"

static const char * const table_sync_mode_names[TABLE_SYNC_NR_MODES] = {
	[TABLE_SYNC_BROADCAST]	= "broadcast",
	[TABLE_SYNC_RCU]	= "rcu",
	[TABLE_SYNC_TRACKED]	= "tracked",
	[TABLE_SYNC_RUNNING]	= "running",
	[TABLE_SYNC_NONE]	= "none",
};

static int mode_get(void)
{
	return table_sync_get_mode();
}

static bool mode_offered(int mode)
{
	if (!IS_ENABLED(CONFIG_TABLE_SYNC_DYNAMIC))
		return mode == table_sync_get_mode();
	if (mode == TABLE_SYNC_RUNNING)
		return IS_ENABLED(CONFIG_ARCH_HAS_TABLE_SYNC_RUNNING);
	if (mode == TABLE_SYNC_NONE)
		return IS_ENABLED(CONFIG_DEBUG_TABLE_SYNC);
	return true;
}

#ifdef CONFIG_TABLE_SYNC_DYNAMIC
static void mode_set(int mode)
{
	table_sync_set_mode(mode);
}
#else
#define mode_set NULL
#endif

static const struct lazy_tlb_choice mode_choice = {
	.what = "mode of table_sync",
	.names = table_sync_mode_names,
	.nr = TABLE_SYNC_NR_MODES,
	.get = mode_get,
	.offered = mode_offered,
	.set = mode_set,
};

/*
 * Code can't be patched when boot parameters are read. Until the initcall the mode is
 * the default.
 */
static char boot_mode[16] __initdata;
static bool boot_mode_given __initdata;

static int __init table_sync_boot_mode(char *str)
{
	strscpy(boot_mode, str ?: "", sizeof(boot_mode));
	boot_mode_given = true;
	return 0;
}
early_param("table_sync", table_sync_boot_mode);

static ssize_t table_sync_show(struct kobject *kobj, struct kobj_attribute *attr,
			       char *buf)
{
	return lazy_tlb_choice_show(&mode_choice, buf);
}

static ssize_t table_sync_store(struct kobject *kobj, struct kobj_attribute *attr,
				const char *buf, size_t count)
{
	return lazy_tlb_choose(&mode_choice, buf) ?: count;
}

static const struct kobj_attribute table_sync_attr = __ATTR_RW(table_sync);

static int __init table_sync_mode_init(void)
{
	if (boot_mode_given)
		lazy_tlb_choose(&mode_choice, boot_mode);
	return lazy_tlb_add_file(&table_sync_attr);
}
subsys_initcall(table_sync_mode_init);
