# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# virtio_gpu: building, trying and testing it. 'make help' lists the targets.

MAKEFLAGS += --no-print-directory
KDIR ?= /lib/modules/$(shell uname -r)/build
LAB := lab/lab
Q := $(if $(filter 1,$(V)),,@)
export V

.PHONY: all help setup lab run check check-debug check-kcsan hunt conformance selftests device intree install clean

all:
	$(Q)test -f $(KDIR)/Makefile || { \
		echo "make: no kernel headers in $(KDIR): install them" \
		     "(linux-headers-$$(uname -r)), or name others by KDIR=" >&2; exit 1; }
	$(Q)$(MAKE) -C $(KDIR) M=$(CURDIR) modules

help:
	@echo "make                     build virtio_gpu.ko for the running kernel"
	@echo "make KDIR=DIR            ... for the kernel whose headers are in DIR"
	@echo "make install             install it (as root; modules_install, depmod)"
	@echo "make run                 build it, boot a guest with it, draw, save out/run.png"
	@echo "make check               run all tests; the last line is their sum"
	@echo "make check-debug         ... on a kernel with KASAN, lockdep and more, of which make"
	@echo "                         check runs a part (built once)"
	@echo "make hunt                fuzzers: hosts and programs that do everything wrong"
	@echo "make conformance         run the tests of IGT GPU Tools: Debian's, or the build IGT=DIR"
	@echo "make check-kcsan         what runs in parallel, on a kernel that looks for data races"
	@echo "make selftests           build the test programs, into out/selftests"
	@echo "make device              build the scripted GPU alone, out/device/virtgpu-device"
	@echo "make intree KSRC=DIR     put the driver into the kernel tree DIR, in place of its own"
	@echo "make setup               install what the lab needs on this machine (apt)"
	@echo "make lab                 build the lab: compilers, kernels, guest (once, 5 GB)"
	@echo "make clean               remove what was built here (lab/lab clean: the lab)"
	@echo
	@echo "KERNEL=6.12              run, check: this kernel of the lab only"
	@echo "SETUP='2d vga'           check: these machines only (tests/guest/setups.py)"
	@echo "TESTS='damage* tools'    check: these programs only"
	@echo "JOBS=1                   check: guests at a time (2 where there are 2 processors)"
	@echo "MINUTES=80               check: nothing is begun after them, which is told"
	@echo "V=1                      show the commands"

setup:
	$(Q)$(LAB) setup

# What is missing on the machine is installed on the way, if it may be
lab:
	$(Q)$(LAB) ready || $(LAB) setup
	$(Q)$(LAB) build

run: lab
	$(Q)$(LAB) enter tests/guest/show $(if $(KERNEL),--kernel $(KERNEL))

# All of it contains a part of check-debug
WHOLE := $(if $(KERNEL)$(SETUP)$(TESTS),,whole)

check: lab
	$(if $(WHOLE),$(Q)$(LAB) kernel debug)
	$(Q)$(LAB) enter tests/guest/check $(if $(KERNEL),--kernel $(KERNEL)) \
		$(if $(WHOLE),--debug) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(SETUP),--setup $(SETUP)) $(if $(TESTS),--tests $(foreach t,$(TESTS),'$(t)'))

check-debug: lab
	$(Q)$(LAB) kernel debug
	$(Q)$(MAKE) check KERNEL=debug

# What queues commands, signals fences and submits, under load
check-kcsan: lab
	$(Q)$(LAB) kernel kcsan
	$(Q)$(MAKE) check KERNEL=kcsan

hunt: lab
	$(Q)$(MAKE) check SETUP='hostile fuzz-2d fuzz-gl fuzz-dev'

# The build of IGT GPU Tools: as IGT says, or Debian's
conformance: igt = $(or $(IGT),$$($(LAB) path igt))
conformance: lab
	$(if $(IGT),,$(Q)$(LAB) igt)
	$(Q)test -d "$(igt)" || { \
		echo "make: IGT=DIR names a build of IGT GPU Tools, or an installed one" >&2; exit 1; }
	$(Q)rm -rf out/igt && mkdir -p out && cp -a "$(igt)" out/igt
	$(Q)$(LAB) enter tests/guest/conformance out/igt $(if $(KERNEL),--kernel $(KERNEL)) \
		$(if $(SETUP),--setup $(SETUP)) $(if $(TESTS),--tests $(foreach t,$(TESTS),'$(t)'))

selftests: lab
	$(Q)$(LAB) enter make -C tests/selftests OUT=/src/out/selftests

# Needs no lab, only a C compiler
device:
	$(Q)$(MAKE) -C tests/device OUT=$(CURDIR)/out/device

intree:
	$(Q)lab/intree $(KSRC)

install:
	$(Q)$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install
	$(Q)depmod

clean:
	$(Q)rm -rf out
	$(Q)rm -f *.o *.ko *.mod *.mod.c .*.cmd .module-common.o modules.order \
		Module.symvers virtgpu_config.h
