// SPDX-License-Identifier: GPL-2.0
/*
 * Choosing one of several names, for boot parameters and sysfs files alike: a wrong
 * name changes nothing and gets told the right ones.
 */
#define pr_fmt(fmt) "lazy_tlb: " fmt

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/lazy_tlb_choice.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/sysfs.h>

/* All names that are accepted, the one in force in brackets. */
static int list_names(const struct lazy_tlb_choice *choice, char *buf, size_t size)
{
	int i, now = choice->get(), len = 0;

	for (i = 0; i < choice->nr; i++) {
		if (!choice->offered(i))
			continue;
		len += scnprintf(buf + len, size - len, i == now ? "%s[%s]" : "%s%s",
				 len ? " " : "", choice->names[i]);
	}
	return len;
}

/**
 * lazy_tlb_choose() - put the setting of a name in force
 * @choice: what there is to choose from
 * @name: the name, a newline may follow
 *
 * Context: that of @choice->set.
 * Return: 0, or -EINVAL if this kernel has no setting of that name; then nothing is
 * changed, and a message says what is accepted.
 */
int lazy_tlb_choose(const struct lazy_tlb_choice *choice, const char *name)
{
	int i = __sysfs_match_string(choice->names, choice->nr, name);
	char names[64];

	if (i < 0 || !choice->offered(i)) {
		list_names(choice, names, sizeof(names));
		pr_warn_ratelimited("'%.*s' is no %s of this kernel, unchanged; accepted: %s\n",
				    (int)min(strcspn(name, "\n"), 32UL), name, choice->what, names);
		return -EINVAL;
	}
	if (choice->set)
		choice->set(i);
	return 0;
}

/**
 * lazy_tlb_choice_show() - all names, the one in force in brackets
 * @choice: what there is to choose from
 * @buf: a page
 *
 * Return: how many bytes of @buf are used.
 */
ssize_t lazy_tlb_choice_show(const struct lazy_tlb_choice *choice, char *buf)
{
	int len = list_names(choice, buf, PAGE_SIZE - 1);

	buf[len++] = '\n';
	return len;
}

/**
 * lazy_tlb_add_file() - make a file in /sys/kernel/mm/lazy_tlb
 * @attr: the file
 *
 * Context: initcalls, which run one after the other.
 * Return: 0 or an error.
 */
int __init lazy_tlb_add_file(const struct kobj_attribute *attr)
{
	static struct kobject *folder;

	if (!folder)
		folder = kobject_create_and_add("lazy_tlb", mm_kobj);
	if (!folder)
		return -ENOMEM;
	return sysfs_create_file(folder, &attr->attr);
}
