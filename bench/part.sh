# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What the parts of the benchmark share. A part prints rows
#
#	kernel workload cpus choice metric value
#
# separated by tabs; bench/run adds the part's name.
# shellcheck source=../lab/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lab/lib.sh"

base=6.12 least_cpus=2 most_cpus=64

# shellcheck disable=SC2034 # for the parts
part_options() { # what-it-measures arguments...
	local option
	OPTIND=2
	while getopts b:l:n:h option; do
		case $option in
		b) base=$OPTARG ;;
		l) least_cpus=$OPTARG ;;
		n) most_cpus=$OPTARG ;;
		h)
			cat <<-END
			usage: bench/$me [-b BASE] [-l LEAST] [-n MOST]
			$1
			Prints rows: kernel, workload, CPUs, choice, metric, value.
			  -b BASE   kernel version, default $base
			  -l LEAST  the smallest machine that is booted, default $least_cpus CPUs; the
			            next ones are twice as large
			  -n MOST   the largest, default $most_cpus CPUs
			END
			exit
			;;
		*) usage_error "wrong option" ;;
		esac
	done
	shift $((OPTIND - 1))
	[ $# = 0 ] || usage_error "takes no arguments"
	check_base "$base"
	[[ $least_cpus =~ ^[1-9][0-9]*$ ]] || usage_error "-l takes a number of CPUs, not '$least_cpus'"
	[[ $most_cpus =~ ^[1-9][0-9]*$ ]] || usage_error "-n takes a number of CPUs, not '$most_cpus'"
}

# Boots a kernel with these options of lab/vm and a command that leaves results in
# /mnt/results.tsv, as 'compare' does; prints them as rows.
guest() { # flavour options-of-lab/vm... -- command...
	local flavour=$1 share status=0
	shift
	"$top/lab/kernel" "$base" "$flavour" >/dev/null
	share=$(mktemp -d)
	echo "$me: $flavour $(printf '%s ' "$@" | sed 's/ -- .*//')" >&2
	"$top/lab/vm" -b "$base" -f "$flavour" -s "$share" "$@" >&2 || status=$?
	[ ! -f "$share/results.tsv" ] || tail -n +2 "$share/results.tsv" | sed "s/^/$flavour\t/"
	rm -rf "$share"
	[ $status = 0 ] || die "the guest with $flavour ended with status $status"
}
