# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What the tests share; each test in shell sources this first. 'tests/run -h' and the head
# of tests/run say what a test is. This gives it
#   $base $arch   the kernel version and the architecture to test
#   $top          the repository
#   $work         a directory of its own, removed at the end
# and the function seen; to a test that consists of cases also check, expect and finish.
# shellcheck source=../lab/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lab/lib.sh"

me=tests/$(basename "$(dirname "$(realpath "$0")")")/$(basename "$0")
case ${1:-} in
'') ;;
-h)
	echo "usage: $me"
	sed -n '/^# \(SPDX\|shellcheck\)/d; 2,/^[^#]/s/^# \?//p' "$0"
	exit
	;;
*) usage_error "a test takes no arguments; LAZYMM_BASE and LAZYMM_ARCH choose the kernel" ;;
esac
base=${LAZYMM_BASE:-$(default_base)}
arch=${LAZYMM_ARCH:-$(default_arch)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() { # what-is-missing
	echo "$me: $*" >&2
	exit 77
}

# A case that passes if the command does. The command runs in this shell, without the
# effect of 'set -e'.
failures=0 cases=0
check() { # name command...
	local name=$1
	shift
	cases=$((cases + 1))
	if "$@" >"$work/.case" 2>&1; then
		echo "ok   $name"
		return
	fi
	echo "FAIL $name"
	sed 's/^/     /' "$work/.case"
	failures=$((failures + 1))
}

# For check: the command has to end with this status and to print this text, among others.
expect() { # status text command...
	local status=$1 text=$2 got rc=0
	shift 2
	got=$("$@" 2>&1) || rc=$?
	if [ $rc = "$status" ] && [[ $got == *"$text"* ]]; then
		return
	fi
	echo "exit status $rc, should be $status; '$text' should be in: $got"
	return 1
}

# Keeps what a test has seen, for the table of tests/architectures. It comes from stdin.
seen() { # what
	mkdir -p "$top/out/seen/$base/$arch"
	cat >"$top/out/seen/$base/$arch/$1"
}

# The last line of a test that consists of cases: what it ends with.
finish() {
	[ $cases -gt 0 ] || die "no case was tried"
	[ $failures = 0 ]
}
