# SPDX-License-Identifier: GPL-2.0
# What the project can be asked to do.

BASE ?= $(shell readlink base/default)
FLAVOUR ?= fast
CONFIG ?= running
HOURS ?= 1
CPUS ?= 64

# BASE= and ARCH= choose another kernel version and architecture. They stay here: the
# kernel's makefiles know an ARCH, too, and an ARCH of the environment is meant for those.
ON = $(if $(filter command,$(origin ARCH)),-a $(ARCH))
WHERE = -b $(BASE) $(ON)
# Tests are for the default version, and in part for each of the others.
TESTED = $(if $(filter file,$(origin BASE)),,-b $(BASE)) $(ON)
MAKEOVERRIDES =
unexport ARCH BASE CONFIG

help:
	@sed -n 's/^#: //p' Makefile

#: make run      build, boot, compare the schemes, print the table
run: deps
	@bench/compare $(WHERE)

#: make test     everything that must hold; last line 'N passed, N failed', maybe ', N skipped'
test: DEPS = -A each
test: deps
	@tests/run $(TESTED)

#: make test-all  and what takes long: all of it for each kernel version, half an hour of
#:                stress a kernel
test-all: DEPS = -d -A all
test-all: deps
	@tests/run -s all $(TESTED)

#: make soak     guests with a random mixture of it all for HOURS=1; SEED= the same again
soak: deps
	@lab/soak $(WHERE) $(HOURS) $(SEED)

#: make coverage which lines of ours the guests execute, and why not all
coverage: deps
	@tests/coverage $(WHERE)

#: make bench    measure against the unpatched kernel: PART=instructions, CPUS=64 at most
bench: deps
	@bench/run $(WHERE) -n $(CPUS) $(PART)

#: make kernel   build FLAVOUR=fast|debug|rt|vanilla of BASE=6.12 for ARCH=x86
kernel: deps
	@lab/kernel $(ON) $(BASE) $(FLAVOUR)

#: make shell    a shell in that kernel (FLAVOUR=..., VM='-n 8' for options of lab/vm)
shell: kernel
	@lab/vm $(WHERE) -f $(FLAVOUR) -t 86400 $(VM) -x -- sh

#: make apply    add lazymm to your own kernel tree: KDIR=/path/to/linux; GIT=1: in commits
apply:
	@lab/apply $(if $(filter-out 0,$(GIT)),-g) "$(KDIR)"

#: make patch    all of it as one patch for BASE, or for the tree KDIR=, on stdout
patch:
	@lab/patch $(BASE) $(KDIR)

#: make series   mails for git am, with a cover letter, in out/series/BASE: KDIR= another tree,
#:               SERIES='-v 2 -s' options of lab/series
series:
	@lab/series $(SERIES) $(BASE) $(KDIR)

#: make deb      Debian packages in out/deb/BASE, to install beside other kernels:
#:               CONFIG=running|small|FILE; BTF=1: with types for BPF programs
deb: DEPS = -d
deb: deps
	@lab/deb $(if $(filter-out 0,$(BTF)),-g) $(BASE) "$(CONFIG)"

#: make fit      which point releases of Debian's archive the hooks fit: out/fit/table.txt
fit:
	@lab/fit

#: make refresh  write the hooks for BASE anew, for a newer tree: KDIR=
refresh:
	@lab/refresh $(BASE) $(KDIR)

#: make deps     install the Debian packages that are missing
deps:
	@lab/deps $(DEPS) $(WHERE)

#: make clean    remove kernels, trees and sources from the cache directory
clean:
	@lab/clean

.PHONY: help run test test-all soak coverage bench kernel shell apply patch series deb \
	fit refresh deps clean
