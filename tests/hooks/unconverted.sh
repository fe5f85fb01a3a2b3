# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Compiles, for an architecture that is not converted, the files that the hooks change in
# the patched tree, as it is and with each scheme. For the tests unconverted-*.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

source=$("$top/lab/source" "$base")
tree=$("$top/lab/tree" "$base")

# As in lab/kernel.
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=lazymm KBUILD_BUILD_HOST=lab
ccache=
if command -v ccache >/dev/null; then
	ccache='ccache '
	export CCACHE_DIR=${CCACHE_DIR:-$cache/ccache} CCACHE_BASEDIR=$cache CCACHE_NOHASHDIR=1
	export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-4G}
fi

# A system call that an architecture lacks is told with #warning in each kernel.
make_in() { # tree directory arguments...
	KCFLAGS=-Wno-cpp make -s -C "$1" O="$2" ARCH="$linux_arch" CROSS_COMPILE="$prefix" CC="$ccache${prefix}gcc" \
		-j"$(jobs_here)" "${@:3}" 2>&1
}

configure() { # tree directory option...
	mkdir -p "$2"
	rm -f "$2/.config"
	# shellcheck disable=SC2086 # a list of options
	make_in "$1" "$2" "$target" && "$1/scripts/config" --file "$2/.config" $options "${@:3}" &&
		make_in "$1" "$2" olddefconfig
}

configure_both() {
	configure "$source" "$unpatched" && configure "$tree" "$build"
}

same_configuration() {
	local symbol fixed='# CONFIG_KTHREAD_MM_TEST is not set'
	# Linux 6.1 counts, and has no name for it.
	for symbol in $new MMU_LAZY_TLB_REFCOUNT; do
		grep -qx "CONFIG_$symbol=y" "$unpatched/.config" || fixed+="|CONFIG_$symbol=y"
	done
	diff -U 0 --label unpatched --label patched "$unpatched/.config" \
		<(grep -vxE "$fixed" "$build/.config")
}

symbols_set() { # symbol...
	local symbol status=0
	for symbol; do
		grep -x "CONFIG_$symbol=y" "$build/.config" ||
			{ echo "CONFIG_$symbol is not set" && status=1; }
	done
	return $status
}

# What the makefile of a directory compiles with this configuration, directories included.
objects_of() { # directory
	make -s -f - srctree="$tree" src="$tree/$1" obj="$1" objects <<-END
		include $build/include/config/auto.conf
		include $tree/$1/Makefile
		objects: ; @printf '$1/%s\\n' \$(obj-y)
	END
}

# Those of the objects that are compiled.
compiled_here() { # objects...
	local directory
	printf '%s\n' "$@" | sed 's,/[^/]*$,,' | sort -u | while read -r directory; do
		if [[ $directory != */* ]] || objects_of "${directory%/*}" | grep -x "$directory/" >/dev/null; then
			objects_of "$directory"
		fi
	done | sort -u | comm -12 - <(printf '%s\n' "$@" | sort -u)
}

# Our files.
own_objects() {
	(cd "$top/linux" && find mm kernel -name '*.c') | sed 's/c$/o/'
}

# What the hooks change, in directories that all architectures compile.
touched_objects() {
	sed -n 's,^+++ b/\([^[:blank:]]*\)\.c.*,\1.o,p' "$top/hooks/$base"/*.patch |
		grep -E '^(kernel|mm|fs|init|lib)/' |
		sed 's,^kernel/sched/membarrier.o,kernel/sched/build_utility.o,'
}

# No function of ours is called that is in none of the objects.
all_defined() { # objects...
	(cd "$build" && "${prefix}nm" "$@") | awk '
		NF == 2 && $1 == "U" { called[$2] }
		NF == 3 { defined[$3] }
		END {
			for (name in called)
				if (!(name in defined) &&
				    name ~ /^(__)?(lazy_|table_|tlb_remove_table_sync|sched_cpu_runs)/) {
					print name " is nowhere"
					missing = 1
				}
			exit missing
		}'
}

needs_compiler() { # package
	command -v "${prefix}gcc" >/dev/null || skip "no ${prefix}gcc; it is in the package $1"
}

compile() { # objects...
	check "$# objects compile without a warning" make_in "$tree" "$build" -k "$@"
	finish || return
	check "each function of ours that they call is there" all_defined "$@"
	finish
}

# Uses what the test has set:
#	linux_arch   what the kernel calls the architecture
#	prefix       of the cross compiler
#	target       the configuration, a target of make
#	options      changes to it, for the kernel's scripts/config
#	symbols      must be set in both trees
#	new          may be set in the patched tree only: a fix sets it for all architectures
stays_as_it_is() { # objects of this architecture that the hooks concern...
	local -a objects
	unpatched=$cache/build/$base-$linux_arch-unpatched build=$cache/build/$base-$linux_arch-patched

	check "both trees can be configured" configure_both
	finish || return
	check "the configuration is that of the unpatched tree" same_configuration
	# shellcheck disable=SC2086 # a list of symbols
	check "the configuration has the symbols that matter" symbols_set $symbols
	check "the build can be prepared" make_in "$tree" "$build" prepare
	finish || return
	mapfile -t objects < <({ own_objects; touched_objects; } | sort -u)
	mapfile -t objects < <({ compiled_here "${objects[@]}"; printf '%s\n' "$@"; } | sort -u)
	compile "${objects[@]}" || return
	arch=$linux_arch seen compiled <<<"${#objects[@]} objects"
}

configure_schemes() { # options of scripts/config...
	configure "$tree" "$build" -e COMPILE_TEST -e LAZY_TLB_COMPILE_TEST -e DEBUG_FS \
		-e LAZY_TLB_STATS "$@" && make_in "$tree" "$build" prepare
}

# What the hooks touch compiles without borrowing, with each scheme alone and with all of them
# (LAZY_TLB_DYNAMIC), if the architecture is given slots. Comes after stays_as_it_is.
compiles_each_scheme() {
	local -a objects
	local choice switch symbol
	tree=$("$top/lab/tree" -l "$base") build=$cache/build/$base-$linux_arch-schemes

	for choice in '-d MMU_LAZY_TLB' '-e LAZY_TLB_REFCOUNT' '-e LAZY_TLB_HAZARD' \
		'-e LAZY_TLB_SHOOTDOWN' '-e LAZY_TLB_DYNAMIC'; do
		read -r switch symbol <<<"$choice"
		check "$choice: configured" configure_schemes "$switch" "$symbol"
		check "$choice: slots" symbols_set LAZY_TLB_COMPILE_TEST ARCH_HAS_LAZY_TLB_SLOTS
		if [ "$switch" = -e ]; then
			check "$choice: is set" symbols_set "$symbol"
		else
			check "$choice: is not set" grep -x "# CONFIG_$symbol is not set" "$build/.config"
		fi
		finish || return
		mapfile -t objects < <({ own_objects; touched_objects; } | sort -u)
		mapfile -t objects < <(compiled_here "${objects[@]}")
		compile "${objects[@]}" || return
	done
	arch=$linux_arch seen schemes-compiled <<<"each scheme"
}
