# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What the tests of the litmus tests share.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

tests=$top/linux/Documentation/litmus-tests
# Of the kernel's memory model, and of the machines on which a barrier of theirs is needed.
# shellcheck disable=SC2034 # for the tests
all=("$tests"/*/*.litmus "$top"/tests/litmus/machine/*.litmus)
[ -f "${all[0]}" ] || die "there are no litmus tests in $tests"

verdict() { # file
	sed -n 's/^ \* Result: //p' "$1"
}
