# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What the parts of the benchmark in parts/ share. A part prints rows
#
#	kernel workload cpus choice metric value
#
# separated by tabs; parts.py adds the part's name, the base and the architecture.
# shellcheck source=../lab/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lab/lib.sh"

base=$(default_base) arch=$(default_arch) least_cpus=2 most_cpus=64
# The kernels that a part boots; a part that lets the user choose among them sets it.
kernels=()

# shellcheck disable=SC2034 # for the parts
part_options() { # what-it-measures arguments...
	local option chosen=''
	OPTIND=2
	while getopts a:b:k:l:n:h option; do
		case $option in
		a) arch=$OPTARG ;;
		b) base=$OPTARG ;;
		k) chosen=$OPTARG ;;
		l) least_cpus=$OPTARG ;;
		n) most_cpus=$OPTARG ;;
		h)
			cat <<-END
			usage: bench/parts/$me [-b BASE] [-a ARCH] [-k KERNELS] [-l LEAST] [-n MOST]
			$1
			Prints rows: kernel, workload, CPUs, choice, metric, value.
			  -b BASE     kernel version ($(bases | xargs); default $base)
			  -a ARCH     architecture ($(arches | xargs); default $arch)
			  -k KERNELS  only these of: ${kernels[*]:-(this part has no choice)};
			              with commas between them
			  -l LEAST    the smallest machine that is booted, default $least_cpus CPUs; the
			              next ones are twice as large
			  -n MOST     the largest, default $most_cpus CPUs
			END
			exit
			;;
		*) usage_error "wrong option" ;;
		esac
	done
	shift $((OPTIND - 1))
	[ $# = 0 ] || usage_error "takes no arguments"
	check_base "$base"
	check_arch "$arch"
	[[ $least_cpus =~ ^[1-9][0-9]*$ ]] || usage_error "-l takes a number of CPUs, not '$least_cpus'"
	[[ $most_cpus =~ ^[1-9][0-9]*$ ]] || usage_error "-n takes a number of CPUs, not '$most_cpus'"
	[ -z "$chosen" ] || choose_kernels "$chosen"
}

# Leaves those in kernels[] that this part boots and that are in the list. A list may name
# kernels of other parts.
choose_kernels() { # comma-separated
	local kernel chosen=()
	for kernel in ${1//,/ }; do
		check_flavour "$kernel"
	done
	for kernel in "${kernels[@]}"; do
		[[ ,$1, != *",$kernel,"* ]] || chosen+=("$kernel")
	done
	[ ${#chosen[@]} -gt 0 ] || usage_error "-k: this part does not choose among '$1'"
	kernels=("${chosen[@]}")
}

# Boots a kernel with these options of lab/vm and a command that leaves figures in
# /mnt/results.tsv, as 'compare' does; prints them as rows.
guest() { # flavour options-of-lab/vm... -- command...
	local flavour=$1 share status=0 word options=
	shift
	for word; do
		[ "$word" != -- ] || break
		options+=" $word"
	done
	"$top/lab/kernel" -a "$arch" "$base" "$flavour" >/dev/null
	share=$(mktemp -d)
	echo "$me: $flavour$options" >&2
	"$top/lab/vm" -b "$base" -a "$arch" -f "$flavour" -s "$share" "$@" >&2 || status=$?
	[ ! -f "$share/results.tsv" ] || tail -n +2 "$share/results.tsv" | sed "s/^/$flavour\t/"
	rm -rf "$share"
	[ $status = 0 ] || die "the guest with $flavour ended with status $status"
}
