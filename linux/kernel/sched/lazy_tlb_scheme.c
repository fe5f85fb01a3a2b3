// SPDX-License-Identifier: GPL-2.0
/*
 * Choosing the lazy TLB scheme: the boot parameter lazy_tlb= and the file
 * /sys/kernel/mm/lazy_tlb/scheme. What a scheme means is in lazy_tlb.c.
 */
#include <linux/init.h>
#include <linux/lazy_tlb_choice.h>
#include <linux/mutex.h>

#include "lazy_tlb.h"

static const char * const lazy_tlb_scheme_names[LAZY_TLB_NR_SCHEMES] = {
	[LAZY_TLB_REFCOUNT]	= "refcount",
	[LAZY_TLB_NONE]		= "none",
	[LAZY_TLB_HAZARD]	= "hazard",
	[LAZY_TLB_SHOOTDOWN]	= "shootdown",
};

static int scheme_get(void)
{
	return lazy_tlb_get_scheme();
}

static bool scheme_offered(int scheme)
{
	return IS_ENABLED(CONFIG_LAZY_TLB_DYNAMIC) ||
	       scheme == lazy_tlb_get_scheme();
}

#ifdef CONFIG_LAZY_TLB_DYNAMIC
static DEFINE_MUTEX(scheme_mutex);

static void scheme_set(int scheme)
{
	mutex_lock(&scheme_mutex);
	lazy_tlb_set_scheme(scheme);
	mutex_unlock(&scheme_mutex);
}
#else
#define scheme_set NULL
#endif

static const struct lazy_tlb_choice scheme_choice = {
	.what = "scheme",
	.names = lazy_tlb_scheme_names,
	.nr = LAZY_TLB_NR_SCHEMES,
	.get = scheme_get,
	.offered = scheme_offered,
	.set = scheme_set,
};

static int __init lazy_tlb_boot_scheme(char *str)
{
	lazy_tlb_choose(&scheme_choice, str ?: "");
	return 0;
}
early_param("lazy_tlb", lazy_tlb_boot_scheme);

static ssize_t scheme_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	return lazy_tlb_choice_show(&scheme_choice, buf);
}

static ssize_t scheme_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t count)
{
	return lazy_tlb_choose(&scheme_choice, buf) ?: count;
}

static const struct kobj_attribute scheme_attr = __ATTR_RW(scheme);

static int __init lazy_tlb_scheme_init(void)
{
	return lazy_tlb_add_file(&scheme_attr);
}
subsys_initcall(lazy_tlb_scheme_init);
