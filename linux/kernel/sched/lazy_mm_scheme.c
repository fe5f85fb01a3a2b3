// SPDX-License-Identifier: GPL-2.0
/*
 * Choosing the lazy TLB scheme: the boot parameter lazy_tlb= and the file
 * /sys/kernel/mm/lazy_tlb/scheme. What a scheme means is in lazy_mm.c.
 */
#define pr_fmt(fmt) "lazy_tlb: " fmt

#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "lazy_mm.h"

static const char * const lazy_mm_scheme_names[LAZY_MM_NR_SCHEMES] = {
	[LAZY_MM_REFCOUNT]	= "refcount",
	[LAZY_MM_NONE]		= "none",
	[LAZY_MM_HAZARD]	= "hazard",
	[LAZY_MM_SHOOTDOWN]	= "shootdown",
};

/* Can this kernel use @scheme? */
static bool lazy_mm_scheme_offered(enum lazy_mm_scheme scheme)
{
	return IS_ENABLED(CONFIG_MMU_LAZY_TLB_DYNAMIC) ||
	       scheme == lazy_mm_get_scheme();
}

/* All names that are accepted, the one in force in brackets. */
static int lazy_mm_list_schemes(char *buf, size_t size)
{
	enum lazy_mm_scheme scheme, now = lazy_mm_get_scheme();
	int len = 0;

	for (scheme = 0; scheme < LAZY_MM_NR_SCHEMES; scheme++) {
		if (!lazy_mm_scheme_offered(scheme))
			continue;
		len += scnprintf(buf + len, size - len,
				 scheme == now ? "%s[%s]" : "%s%s",
				 len ? " " : "", lazy_mm_scheme_names[scheme]);
	}
	return len;
}

static int lazy_mm_choose(const char *name)
{
	int scheme = sysfs_match_string(lazy_mm_scheme_names, name);
	char names[64];

	if (scheme < 0 || !lazy_mm_scheme_offered(scheme)) {
		lazy_mm_list_schemes(names, sizeof(names));
		pr_warn_ratelimited("'%.32s' is no scheme of this kernel, unchanged; accepted: %s\n",
				    name, names);
		return -EINVAL;
	}
#ifdef CONFIG_MMU_LAZY_TLB_DYNAMIC
	lazy_mm_set_scheme(scheme);
#endif
	return 0;
}

static int __init lazy_mm_boot_scheme(char *str)
{
	lazy_mm_choose(str ?: "");
	return 0;
}
early_param("lazy_tlb", lazy_mm_boot_scheme);

#ifdef CONFIG_SYSFS
static DEFINE_MUTEX(lazy_mm_scheme_mutex);

static ssize_t scheme_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	int len = lazy_mm_list_schemes(buf, PAGE_SIZE - 1);

	buf[len++] = '\n';
	return len;
}

static ssize_t scheme_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t count)
{
	int err;

	mutex_lock(&lazy_mm_scheme_mutex);
	err = lazy_mm_choose(buf);
	mutex_unlock(&lazy_mm_scheme_mutex);

	return err ?: count;
}

static struct kobj_attribute scheme_attr = __ATTR_RW(scheme);

static struct attribute *lazy_mm_attrs[] = {
	&scheme_attr.attr,
	NULL,
};

static const struct attribute_group lazy_mm_attr_group = {
	.attrs = lazy_mm_attrs,
};

static int __init lazy_mm_sysfs_init(void)
{
	struct kobject *kobj = kobject_create_and_add("lazy_tlb", mm_kobj);
	int err;

	if (!kobj)
		return -ENOMEM;
	err = sysfs_create_group(kobj, &lazy_mm_attr_group);
	if (err)
		kobject_put(kobj);
	return err;
}
subsys_initcall(lazy_mm_sysfs_init);
#endif /* CONFIG_SYSFS */
