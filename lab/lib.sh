# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What all scripts of the lab share. Sourced, never run.

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

# The kernel versions for which there are hooks.
bases() {
	find "$top/hooks" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort -V
}

# The kernels that can be built of each: a fragment each, and the unpatched one.
flavours() {
	echo vanilla
	find "$top/lab/config" -name '*.config' ! -name common.config \
		! -name lazymm.config -printf '%f\n' | sed 's/\.config$//' | sort
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

check_flavour() {
	# shellcheck disable=SC2046
	one_of flavour "$1" $(flavours)
}

# VERSION.PATCHLEVEL of a kernel tree, nothing if it is none.
tree_version() {
	[ -f "$1/Kconfig" ] && [ -f "$1/kernel/sched/core.c" ] || return 0
	awk '/^VERSION = /{v = $3} /^PATCHLEVEL = /{print v "." $3; exit}' \
		"$1/Makefile" 2>/dev/null
}

# Where a kernel of this base and flavour is built.
build_folder() {
	echo "$cache/build/$1-$2"
}

jobs_here() {
	nproc
}
