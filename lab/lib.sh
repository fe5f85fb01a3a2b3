# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Functions that the shell scripts of the lab share; sourced, never run. lib.py has the
# same for Python.
#
# A kernel version is a file in base/, an architecture a file in arch/: data, in lines
# KEY=VALUE. Lines that begin with '#' are comments; a key may come more than once.
# Without an option, programs take the version that the link base/default names and the
# architecture of this machine.
#
# Keys of a base:
#   package       Debian's package of its source
#   suite         a Debian suite that has the package, if not that of this machine; the first
#                 that has it is taken
#   from          RELEASE :: REASON: the oldest point release that the hooks are for
#   arch          an architecture that the hooks are for
#   lacks         FLAVOUR :: REASON or FLAVOUR on ARCH :: REASON: a flavour that this version
#                 has not
#   without       OPTION... on ARCH :: REASON: options of the flavours that this version has
#                 not for this architecture
#   fault         HEAD :: REASON or HEAD :: BODY :: REASON: a report of the unpatched
#                 kernel that doesn't count. HEAD matches its first line, BODY the rest
#                 (regular expressions of Python)
#   calls         parameter of a kernel that records the function calls on other CPUs,
#                 for versions without the tracepoint csd_queue_cpu
#   CONFIG_...    options of the kernel that are others there: the file is a fragment,
#                 as those of config/, and overrides these
# Keys of an architecture:
#   machine       what 'uname -m' calls it
#   linux         what the kernel's makefiles call it (ARCH)
#   debian        what Debian calls it
#   suite         the Debian suite with its busybox, if the releases that the lab runs on have
#                 not got this architecture
#   image         the kernel's image, in the build directory; its name is make's target
#   package       Debian packages to boot it
#   cross         the prefix of the cross compiler, for other machines
#   cross_package Debian packages of the cross compiler and its C library
#   busybox       source :: REASON: it is built from Debian's source, for this reason
#   ldflags       what the guests' programs are linked with
#   qemu          QEMU's program
#   qemu_args     its arguments for the machine
#   parameters    for the kernel's command line
#   console       the kernel's console in the guest, QEMU's first serial port
#   terminal      the device of the guest's command
#   terminal_args QEMU's arguments that connect that to its character device 'terminal'
#   bus           QEMU's bus for directories that the guest shares, where the first has no room
#   end           poweroff: how a guest ends QEMU; without this key it reboots
#   nmi           parameters of a kernel that gets NMIs from QEMU's monitor; without
#                 this key there are none
#   icount        parameters of a kernel whose instructions are counted
#   icount_args   QEMU's arguments for that, besides -icount with a shift and without sleep
#   flushes       hardware: it flushes the TLBs of other CPUs without interrupts; radix: it
#                 does, but CPUs that merely borrow are interrupted now and then
#   barrier       an instruction that is a full memory barrier, as objdump prints it
#                 (regular expression of Python)
#   atomic        one that changes memory atomically and is none
#   elsewhere     functions whose code only CPUs without such instructions execute
#                 (regular expression)
#   stale_code    what the console says if QEMU has executed code after it was patched
#   wrong_clock   what the console says if the guest has measured its clock's rate wrongly
#   firmware      UEFI for QEMU
#   threads       single: all CPUs in one thread of QEMU, in turn (lab/vm -1), because several
#                 don't work
#   hotplug       OPTION ARGUMENTS :: REASON: CPUs can come and go in kernels with OPTION,
#                 with these arguments of QEMU; without this key, in all
#   smp           how QEMU is told the number of CPUs, besides by itself: sockets
#   many          the largest number of CPUs of a flavour; more take FLAVOUR+many,
#   many_config   which has these options of the kernel in addition
#   lacks         FLAVOUR :: REASON: a flavour that this architecture has not
#   without       OPTION... :: REASON: options of the flavours that this architecture has not
#   tests         each: 'make test' boots this architecture, too, where it isn't this
#                 machine's
#   CONFIG_...    options of the kernel: the file is a fragment, as those of config/

set -euo pipefail

me=$(basename "$0")
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${LAZYMM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lazymm}

die() {
	echo "$me: $*" >&2
	exit 1
}

usage_error() {
	echo "$me: $*" >&2
	echo "Try '$me -h'." >&2
	exit 2
}

bases() {
	find "$top/base" -maxdepth 1 -type f -printf '%f\n' | sort -V
}

arches() {
	find "$top/arch" -maxdepth 1 -type f -printf '%f\n' | sort
}

# Each value of a key in its line, as in: values base/NAME package
values() {
	sed -n "s/^$2=//p" "$top/$1"
}

default_base() {
	readlink "$top/base/default"
}

default_arch() {
	local arch
	arch=$(grep -lx "machine=$(uname -m)" "$top"/arch/* | head -n 1) || true
	[ -n "$arch" ] || usage_error "there is no file in arch/ for this machine ($(uname -m));" \
		"name an architecture: $(arches | xargs)"
	basename "$arch"
}

# The kernels that can be built of each base: a fragment each, and the unpatched one.
flavours() {
	echo vanilla
	find "$top/lab/config" -name '*.config' ! -name common.config \
		! -name lazymm.config -printf '%f\n' | sed 's/\.config$//' | sort
}

# Why a kernel version has not that flavour for an architecture; nothing if it has.
lacks_flavour() { # base arch flavour
	{ values "base/$1" lacks && values "arch/$2" lacks; } | sed -En "s/^$3( on $2)? :: //p"
}

# The options that a kernel version has not for an architecture, each with the reason.
missing_options() { # base arch
	{ values "base/$1" without; values "arch/$2" without; } | awk -v arch="$2" '{
		what = reason = $0
		sub(/ :: .*/, "", what)
		sub(/.* :: /, "", reason)
		if (what ~ / on / && what !~ " on " arch "$")
			next
		sub(/ on .*/, "", what)
		n = split(what, options, " ")
		for (i = 1; i <= n; i++)
			print options[i], reason
	}'
}

# Why the hooks for a kernel version are not for that point release; nothing if they are.
too_old() { # base release
	local from
	from=$(values "base/$1" from)
	[ -z "$from" ] || [ "$(printf '%s\n' "${from%% :: *}" "$2" | sort -V | head -n 1)" = "${from%% :: *}" ] ||
		echo "they are for ${from%% :: *} and later: ${from#* :: }"
}

# A parameter for the kernel that has it record the function calls on other CPUs.
records_calls() { # base
	local calls
	calls=$(values "base/$1" calls)
	echo "${calls:-trace_event=csd:csd_queue_cpu}"
}

# The files that a patch changes.
patched_files() { # patch...
	sed -n 's,^+++ b/\([^[:blank:]]*\).*,\1,p' "$@"
}

# The steps of a base's series, in their order.
steps() { # base
	sed 's/[[:blank:]].*//; /^#/d; /^$/d' "$top/hooks/$1/series"
}

# The patches of hooks/overlay, in the order of a base's series, which names all of them.
overlay_patches() { # base
	local named step
	named=$(for step in $(steps "$1"); do
		[ ! -f "$top/hooks/overlay/$step" ] || echo "$step"
	done)
	[ "$(LC_ALL=C sort <<<"$named")" = "$(cd "$top/hooks/overlay" 2>/dev/null &&
		printf '%s\n' *.patch | grep -vxF '*.patch' | LC_ALL=C sort)" ] ||
		die "hooks/$1/series doesn't name each patch of hooks/overlay once"
	[ -z "$named" ] || echo "$named"
}

# The subject and the message of a step: the hook's, or if that has none, its overlay patch's.
step_message() { # base step
	local file
	file=$top/hooks/$1/$2
	[ -f "$file" ] && [ "$(head -n 1 "$file")" != --- ] || file=$top/hooks/overlay/$2
	sed '/^---$/,$d' "$file" | git stripspace
}

# Puts a patch of hooks/overlay, or with -R its reverse, on a copy of linux/, without fuzz.
# A patch without a hunk is only a message yet.
patch_overlay() { # directory [-R] patch
	[ -n "$(patched_files "${!#}")" ] || return 0
	patch -d "$1" -p1 --fuzz=0 --no-backup-if-mismatch -r - -f -s "${@:2:$#-2}" \
		<"${!#}" >/dev/null 2>&1
}

one_of() { # what value accepted...
	local what=$1 value=$2 name
	shift 2
	for name; do
		[ "$name" = "$value" ] && return
	done
	usage_error "'$value' is no $what; accepted: $*"
}

check_base() {
	# shellcheck disable=SC2046
	one_of base "$1" $(bases)
}

check_arch() {
	# shellcheck disable=SC2046
	one_of architecture "$1" $(arches)
}

check_flavour() {
	local plain=${1%+many}
	plain=${plain%+step}
	# shellcheck disable=SC2046
	one_of flavour "${plain%+lines}" $(flavours)
}

# What the cross compiler's programs begin with; nothing for this machine's own.
cross_prefix() { # arch
	[ "$(values "arch/$1" machine)" = "$(uname -m)" ] || values "arch/$1" cross
}

# VERSION.PATCHLEVEL of a kernel tree, nothing if it is none.
tree_version() {
	[ -f "$1/Kconfig" ] && [ -f "$1/kernel/sched/core.c" ] || return 0
	awk '/^VERSION = /{v = $3} /^PATCHLEVEL = /{print v "." $3; exit}' \
		"$1/Makefile" 2>/dev/null
}

# Where a kernel is built: build/BASE-FLAVOUR, with -ARCH if it isn't this machine's.
build_directory() { # base flavour [arch]
	local foreign=
	[ -z "${3:-}" ] || [ -z "$(cross_prefix "$3")" ] || foreign=-$3
	echo "$cache/build/$1-$2$foreign"
}

jobs_here() {
	nproc
}
