# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What the tests that boot a kernel share.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

guest() { # flavour options-of-lab/vm... -- command...
	"$top/lab/vm" -b "$base" -a "$arch" -f "$1" "${@:2}"
}

kunit() { # flavour options-of-lab/vm...
	guest "$1" "${@:2}" -t 600 -p kunit.enable=1 -c "$work/console" -- true
	"$top/tests/kunit" -b "$base" -a "$arch" "$work/console"
	seen "kunit-$1" <<<"passed"
}

# Without hotplug, and once more with it, where that takes another machine.
stress() { # flavour seconds options-of-lab/vm...
	local before=$top/out/seen/$base/$arch/stress-$1 option arguments
	local vm=(guest "$1" -n 4 -t $(($2 * 4 + 300)) "${@:3}")
	read -r option arguments < <(values "arch/$arch" hotplug | sed 's/ :: .*//') || true
	if [ -z "$option" ]; then
		"${vm[@]}" -- stress "$2"
	else
		"${vm[@]}" -- stress -x hotplug "$2"
		if grep -qx "$option=y" "$(build_directory "$base" "$1" "$arch")/.config"; then
			"${vm[@]}" -q "$arguments" -- stress "$2"
		else
			seen "no-hotplug-$1" <<<"$2"
		fi
	fi
	# Several tests stress the same kernel; the longest run is told of.
	[ "$(cat "$before" 2>/dev/null || echo 0)" -ge "$2" ] || seen "stress-$1" <<<"$2"
}

# What bench/guest/compare finds out is left in $work/results.tsv.
compare() { # flavour what options-of-lab/vm...
	guest "$1" -s "$work" "${@:3}" -- compare "$2" /mnt/results.tsv
}

# It has to be as bench/holds says.
holds() { # rules what
	"$top/bench/holds" "$1" "$work/results.tsv"
	seen "$2" <"$work/results.tsv"
}

# Walks in NMIs, and inside of other walks, where there are NMIs.
oracle() { # "[options-of-oracle] seconds" parameters options-of-lab/vm...
	local parameters=$2 nmis=() nested=() arguments
	read -ra arguments <<<"$1"
	shift 2
	if [ -n "$(values "arch/$arch" nmi)" ]; then
		nmis=(-N 50)
		nested=(-n)
	fi
	guest debug -n 4 "${nmis[@]}" "$@" -p "$long_walks $parameters" -- \
		oracle "${nested[@]}" "${arguments[@]}"
	seen oracle <<<"passed"
}

# The kernel's own tests of membarrier and restartable sequences, under each scheme.
selftests() { # flavour
	local programs
	programs=$("$top/tests/selftests" -b "$base" -a "$arch")
	guest "$1" -n 4 -t 3000 -s "$programs" -- barriers
}

# Alone in the guest: another process on the CPU that is to be interrupted hides a mistake.
membarrier() { # flavour
	# shellcheck disable=SC2016 # for the guest
	guest "$1" -n 2 -- sh -c '
		for scheme in $(tr -d "[]" </sys/kernel/mm/lazy_tlb/scheme); do
			echo "$scheme" >/sys/kernel/mm/lazy_tlb/scheme || exit
			echo "$scheme:"
			workload membarrier || exit
		done'
}

# A kernel with one scheme names it, accepts no other, and loses no mm.
only_scheme() { # scheme; the flavour is only-SCHEME
	# shellcheck disable=SC2016 # for the guest
	guest "only-$1" -n 4 -- sh -c '
		file=/sys/kernel/mm/lazy_tlb/scheme
		grep -qx "\[$1\]" $file || { echo "$file: $(cat $file), should be [$1]"; exit 1; }
		! echo bogus 2>/dev/null >$file || { echo "$file accepts bogus"; exit 1; }
		compare schemes /tmp/results.tsv pingpong forkexit || exit
		cat /tmp/results.tsv
		[ "$(grep -c "mms_left.0$" /tmp/results.tsv)" = 2 ]' sh "$1"
}

# Parameters for kernels with long walks whose tables are freed and whose TLBs are flushed
# as in guests of KVM: flushes leave out the CPUs that are in a walk.
kvm="table_sync_standin.flush=kvm table_sync_standin.free=rcu"
# shellcheck disable=SC2034 # for the tests
long_walks="$kvm table_sync_debug.walk_delay=400"
# Nothing is skipped: each mm that ends is looked for, and each wait waits.
# shellcheck disable=SC2034 # for the tests
nothing_skipped="$kvm table_sync_debug.walk_delay=50 lazy_tlb.piggyback=off"
