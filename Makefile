# SPDX-License-Identifier: GPL-2.0
# What the project can be asked to do. The work is in lab/.

BASE ?= 6.12
FLAVOUR ?= fast
HOURS ?= 1
CPUS ?= 64

help:
	@sed -n 's/^#: //p' Makefile

#: make run      build, boot, compare the schemes, print the table
run: deps
	@bench/compare -b $(BASE)

#: make test     everything that must hold; last line 'N passed, N failed', maybe ', N skipped'
test: deps
	@lab/test

#: make test-all  and what takes long: other architectures, half an hour of stress a kernel
test-all: deps
	@lab/test host build boot more

#: make soak     guests with a random mixture of it all for HOURS=1; SEED= the same again
soak: deps
	@lab/soak $(HOURS) $(SEED)

#: make coverage which lines and branches of ours the guests execute, and why not all
coverage: deps
	@lab/coverage -b $(BASE)

#: make bench    measure against the unpatched kernel: PART=instructions, CPUS=64 at most
bench: deps
	@bench/run -b $(BASE) -n $(CPUS) $(PART)

#: make kernel   build BASE=6.12 FLAVOUR=fast|debug|rt|vanilla in the cache folder
kernel: deps
	@lab/kernel $(BASE) $(FLAVOUR)

#: make shell    a shell in that kernel (FLAVOUR=..., VM='-n 8' for options of lab/vm)
shell: kernel
	@lab/vm -b $(BASE) -f $(FLAVOUR) -t 86400 $(VM) -x -- sh

#: make apply    add lazymm to your own kernel tree: KDIR=/path/to/linux
apply:
	@lab/apply "$(KDIR)"

#: make deps     install the Debian packages that are missing
deps:
	@lab/deps

#: make clean    remove kernels, trees and sources from the cache folder
clean:
	@lab/clean

.PHONY: help run test test-all soak coverage bench kernel shell apply deps clean
