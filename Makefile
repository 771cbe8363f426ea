# opensnoop: build, run, test, install. make help lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
ARGS    ?=
GO      ?= $(or $(shell packaging/go.sh find),go)
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# The kernels whose kprobes the end-to-end suite proves, and where they are put. The core of it
# runs on KERNEL in make test; make test-all does the rest.
KERNEL  := 6.12
KERNELS := 6.1 6.12
# Those on which the core of it runs; 7 is the newest 7.x that there is.
KERNELS_CORE := 5.10 6.18 7
CORE := EveryDoorShows|IOUringShows|NamesNotInMemory|OddNames|HostileNames|CSVHas|TestPaths$$|FollowsAll|FloodIsCounted|FloodsThatPreempt|FloodsWithoutFilter|BlockedCalls$$|SignalsEndIt|Doctor$$|TestLive$$|TestExecs$$|sByCgroup|PrivateCgroup|InTheKernel
# Tests of what no kernel changes: how rows are written, recordings, the terminal, what is installed.
# They run on this machine alone.
ANYWHERE := SignalsWhileEnding|WaitingIsTold|NoOpenMatched|OnlyLookedFor|CompiledOnce|CommandsStatus|CommandsOutput|DiffOf|MissingOf|MissingIsInOrder|NeedsIs|Depfile|AskingWhat|Replay|NoRecordedOpen|RecordingIsSmall|Completion|CommandsOfThePages|DoctorUsage|Package|PageInABrowser|LiveSummary|TimeZones|Colour|LinkedWithLibc|BrokenCache|RotateKeeps|RotateInTheWay|ReloadRefused|FlagsThatCannot|StuckWrite|FullStderr|SlowTerminal|ProgressLine|SharedTerminal|FileThatTakesNothing|FileOfW|UserDatabase|FullDisk|OddSurroundings|HostileState|LookupsAsStraceSees|AreStraces|TwiceIsTheSame|MemoryOfManyPaths|Bombs|MissingIs|KilledInTheMiddle
CACHE   := $(CURDIR)/.cache/kernels
# A C project, for depfiles.
SOURCE  := $(CURDIR)/.cache/libzstd
# Their headers, for bcc's own opensnoop: ours needs none.
HEADERS := $(CURDIR)/.cache/headers

BIN           := bin
CC32          := $(CC) -m32
PACKAGES      := gcc libc6-dev libbpfcc-dev

# make build GOARCH=arm64 puts one for that in bin/arm64. The libbcc that it loads is that
# machine's; its headers are the same everywhere.
ifeq ($(GOARCH),arm64)
BIN      := bin/arm64
CC       := aarch64-linux-gnu-gcc
CC32     := arm-linux-gnueabi-gcc -marm
PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabi libbpfcc-dev
export GOARCH CC
export CGO_ENABLED := 1
export CGO_CFLAGS  := -O2 -g -isystem $(CURDIR)/$(BIN)/include
$(BIN)/opensnoop: $(BIN)/include
endif
$(BIN)/include:
	@mkdir -p $@
	@ln -sfn /usr/include/bcc $@/bcc

PACKAGES_TEST  := qemu-system-x86 busybox-static cpio kmod util-linux bsdutils mandoc man-db make git perl strace runc podman systemd-container procps rpm xz-utils jq zsh fish bash-completion lintian chromium btrfs-progs xfsprogs e2fsprogs
PACKAGES_LINT  := shellcheck
PACKAGES_BENCH := libbpf-tools bpftrace bpfcc-tools strace

# The guest of the benchmark.
KERNEL_BENCH := 6.12

FREEZE      := github.com/charmbracelet/freeze@v0.2.2
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: all help build share run check callers test test-unit test-host test-all test-modes test-wide test-arm64 test-distros test-instructions test-hostile test-fleet image fuzz bench bench-kprobe lint docs install uninstall deb deps deps-test deps-test-all deps-lint deps-bench clean

all: build share ## build all that install puts in place (the default)

build: $(BIN)/opensnoop ## build bin/opensnoop

# Numbers and names in the texts are those of this file.
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' Makefile | \
		sed $(foreach name,KERNEL KERNELS KERNELS_CORE DISTROS FUZZTIME,-e 's|$$($(name))|$($(name))|g')

# Its stdout is the rows' alone.
run: ## install what is missing, build, and start opensnoop as root; ARGS="-d 5" are its flags
	@$(MAKE) --no-print-directory deps build >&2
	@$(SUDO) bin/opensnoop $(ARGS)

.PHONY: $(BIN)/opensnoop bin/guestrun bin/testrun bin/bench
$(BIN)/opensnoop:
	@$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o $@ ./cmd/opensnoop

bin/guestrun:
	@$(GO) build -o $@ ./tools/guest/guestrun

bin/testrun:
	@$(GO) build -o $@ ./tools/testrun

bin/bench:
	@$(GO) build -o $@ ./tools/bench

# The load of the benchmark.
bin/load: testdata/callers/load.c
	@mkdir -p bin
	$(CC) -O2 -Wall -Wextra -Werror -static -o $@ $<

# The callers of the end-to-end suite: opener opens in all ways, pather knows the paths of what it
# opens, racer changes meanwhile what its opens are relative to, looker opens nothing, tree makes
# processes, slowfs has files that take their time. That of test-hostile attacks.
CALLERS := $(addprefix $(BIN)/,opener pather racer looker tree slowfs)
$(CALLERS) $(BIN)/hostile: $(BIN)/%: testdata/callers/%.c testdata/callers/must.h
	@mkdir -p $(BIN)
	$(CC) -O2 -Wall -Wextra -Werror -pthread -static -o $@ $<

# A 32-bit program without libc, so that no 32-bit libraries are needed.
# Without it the suite tells which of its tests do not run.
$(BIN)/open32: testdata/callers/open32.c
	@mkdir -p $(BIN)
	$(CC32) -O2 -Wall -Wextra -Werror -nostdlib -static -ffreestanding -fno-stack-protector -fno-pic -no-pie -o $@ $< || \
		{ rm -f $@; echo "*** $(CC32) makes no 32-bit programs here" >&2; }

# No root, no guests, no packages, and under a minute once all is compiled. What
# needs more shows as skipped with go test -v.
check: build ## vet, and the unit tests that need no root
	$(GO) vet ./...
	$(GO) test $$($(GO) list ./... | grep -v '/internal/e2e$$')

# What the end-to-end suite runs.
E2E := bin/opensnoop $(CALLERS) bin/open32

# What tests print is kept in $(LOGS), and testrun shows how far they are.
LOGS    := bin/tests
TESTRUN := bin/testrun -folder $(LOGS)

# The guest needs one of two CPUs. One that fails does not keep the others from running.
test: deps-test $(E2E) bin/guestrun bin/testrun deb ## what must pass, here and in a guest: some 8 minutes on two CPUs
	@echo "=== make test: the unit tests and the end-to-end suite on this machine;"
	@echo "=== beside them the core of the suite in a guest with Linux $(KERNEL). Some 8 minutes on two CPUs."
	@rm -rf $(LOGS)
	@status=0; $(MAKE) --no-print-directory -j2 -k test-here test-core-$(KERNEL) || status=1; \
	$(TESTRUN) summary; exit $$status

.PHONY: test-here
test-here:
	@status=0; for goal in test-unit test-host; do $(MAKE) --no-print-directory $$goal || status=1; done; exit $$status

test-unit: build bin/testrun ## the unit tests, as root
	@packages=$$($(GO) list ./... | grep -v '/internal/e2e$$'); \
	$(TESTRUN) -name unit -packages -of $$(echo $$packages | wc -w) $(SUDO) env "PATH=$$PATH" "OPENSNOOP_E2E=$$OPENSNOOP_E2E" \
		$(GO) test -v $$packages

test-host: $(E2E) bin/testrun deb ## the end-to-end suite on this machine
	@$(TESTRUN) -name host $(SUDO) env "PATH=$$PATH" "OPENSNOOP_E2E=$$OPENSNOOP_E2E" \
		$(GO) test -count=1 -v -timeout 30m ./internal/e2e

# As many guests at a time as there are CPUs: each takes one.
test-all: LOGS := bin/tests-all
test-all: deps-test-all $(E2E) bin/guestrun bin/testrun ## what make test leaves out: about an hour on two CPUs
	@echo "=== make test-all, after make test: the end-to-end suite in guests with Linux $(KERNELS), its core"
	@echo "=== with $(KERNELS_CORE), and some of it in guests of other modes and sizes. About an hour on two CPUs."
	@rm -rf $(LOGS)
	@status=0; $(MAKE) --no-print-directory LOGS=$(LOGS) -j$$(nproc) -k $(addprefix test-guest-,$(KERNELS)) $(addprefix test-core-,$(KERNELS_CORE)) $(MODES) || status=1; \
	$(TESTRUN) summary; exit $$status

# Where the kernel is not preempted, fentry is the choice; here it is kprobes.
BOOT_6.12 := -boot preempt=full

GUEST = -exec "$(CURDIR)/bin/guestrun -kernel $(CACHE)/$* -timeout 55m $(BOOT_$*)" ./internal/e2e

# make test has run the core in one of them.
test-guest-%:
	@OPENSNOOP_E2E=require $(TESTRUN) -name guest-$* -again $(GO) test -count=1 -v -timeout 60m \
		-skip '$(if $(filter $(KERNEL),$*),$(CORE)|)$(ANYWHERE)' $(GUEST)

test-core-%:
	@OPENSNOOP_E2E=require $(TESTRUN) -name core-$* -again $(GO) test -count=1 -v -timeout 60m -run '$(CORE)' $(GUEST)

# Other modes of some kernels than their own, and machines of other sizes.
MODES = $(addprefix test-mode-,$(shell internal/e2e/modes.sh list))

test-mode-%:
	@TESTRUN='$(TESTRUN)' internal/e2e/modes.sh $(CACHE) $*

test-modes: deps-test-all $(E2E) bin/guestrun bin/testrun ## some of the suite in guests of other modes and sizes
	@$(MAKE) --no-print-directory -j$$(nproc) -k $(MODES)

# Machines that take their time under emulation, and kernels for other uses.
KERNELS_WIDE := 6.12-cloud 6.12-rt
test-wide: deps-test $(E2E) bin/guestrun bin/testrun ## the same with 64 CPUs, and with the cloud and rt kernels
	@set -e; for kernel in $(KERNELS_WIDE); do tools/guest/kernel.sh $$kernel $(CACHE)/$$kernel >&2; done
	@$(MAKE) --no-print-directory -j$$(nproc) -k $(addprefix test-mode-,$(shell internal/e2e/modes.sh list-wide))

# What the callers of the tests are built from.
callers: $(CALLERS) $(BIN)/open32

# The same on arm64, emulated, some 50 times as slow: the unit tests and the core.
KERNEL_ARM64 := 6.12
PACKAGES_ARM64 := mmdebstrap qemu-system-arm
test-arm64: deps-test bin/guestrun ## the unit tests and the core of the suite in an arm64 guest
	@$(MAKE) --no-print-directory GOARCH=arm64 deps
	@packaging/deps.sh $(PACKAGES_ARM64)
	@tools/guest/kernel.sh $(KERNEL_ARM64) $(CACHE)/$(KERNEL_ARM64)-arm64 arm64 >&2
	@tools/guest/arm64.sh $(CACHE)/$(KERNEL_ARM64)-arm64 .cache/arm64 '$(CORE)'

# The systems of other Debian suites, in folders, on this machine's kernel: 0.18, 0.26, 0.31
# and 0.37 of libbcc.
DISTROS := bullseye bookworm trixie sid
test-distros: ## the README's commands, the unit tests and the suite with the libraries of $(DISTROS)
	@packaging/deps.sh mmdebstrap
	@rm -rf bin/distros; mkdir -p bin/distros; status=0; \
	for suite in $(DISTROS); do \
		echo "$$suite: bin/distros/$$suite.log"; \
		$(SUDO) packaging/distro.sh $$suite .cache/distros >bin/distros/$$suite.log 2>&1 || status=1; \
	done; \
	for suite in $(DISTROS); do tail -n 1 bin/distros/$$suite.log; done; exit $$status

# All attacks at once for a while.
HOSTILETIME ?= 10m
test-hostile: deps $(E2E) bin/hostile ## attack opensnoop in all ways at random for a while (HOSTILETIME=10m)
	$(SUDO) env "PATH=$$PATH" OPENSNOOP_E2E=require OPENSNOOP_HOSTILE=$(HOSTILETIME) "OPENSNOOP_SEED=$$OPENSNOOP_SEED" \
		$(GO) test -count=1 -v -timeout 3h -run 'TestHostile$$' ./internal/e2e

# Each fuzz target for a while.
FUZZTIME ?= 30s
fuzz: ## each fuzz target for $(FUZZTIME)
	@set -e; for package in $$($(GO) list ./bpf ./internal/...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

# Its stdout is the report's alone.
bench: ## measure opensnoop beside its peers; ARGS=-h lists the flags
	@$(MAKE) --no-print-directory deps-bench bin/opensnoop bin/load bin/bench >&2
	@$(SUDO) bin/bench -kernel $(CACHE)/$(KERNEL_BENCH) -headers $(HEADERS)/$(KERNEL_BENCH) $(ARGS)

# Kernels in which instructions are counted.
KERNELS_KPROBE := 6.1 6.12 7
comma := ,
empty :=
bench-kprobe: ## count the instructions that tracing costs through kprobes, and compare them with those recorded
	@$(MAKE) --no-print-directory deps-bench bin/opensnoop bin/load bin/bench >&2
	@set -e; for kernel in $(KERNELS_KPROBE); do \
		tools/guest/kernel.sh $$kernel $(CACHE)/$$kernel >&2; \
		tools/guest/headers.sh $(CACHE)/$$kernel $(HEADERS)/$$kernel >&2 || echo "no headers for $$kernel: bcc is not measured" >&2; \
	done
	@bin/bench -instructions -kernel $(subst $(empty) $(empty),$(comma),$(addprefix $(CACHE)/,$(KERNELS_KPROBE))) \
		-headers $(HEADERS) -record testdata/instructions.json $(ARGS)

# What of that tells whether an open has become dearer.
KERNELS_GUARD := 6.1 6.12
test-instructions: deps-test bin/opensnoop bin/load bin/bench ## count opensnoop's own instructions, which must not be 3 % above those recorded
	@set -e; for kernel in $(KERNELS_GUARD); do tools/guest/kernel.sh $$kernel $(CACHE)/$$kernel >&2; done
	@echo "=== instructions with Linux $(KERNELS_GUARD)"
	@bin/bench -instructions -ours -kernel $(subst $(empty) $(empty),$(comma),$(addprefix $(CACHE)/,$(KERNELS_GUARD))) -record testdata/instructions.json

lint: deps-lint build ## the static checks of Go, shell, C and the pages
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); [ -z "$$unformatted" ] || { echo "not formatted by gofmt:" $$unformatted; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	shellcheck -x .ci/run packaging/*.sh packaging/image/*.sh tools/guest/*.sh internal/e2e/*.sh tools/docs/*.sh tools/docs/stand-ins/*
	@$(GO) run ./tools/docs check
	$(CC) -fsyntax-only -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
		-Wwrite-strings -Wvla -Werror testdata/callers/*.c
	$(CC) -fsyntax-only -O2 -Wall -Wextra -Wshadow -Werror internal/*/*.c

# What the pages show was written by the program itself.
docs: build ## make the samples of output and the pictures of README and docs anew
	@$(GO) build -o bin/docs ./tools/docs
	@$(SUDO) bin/docs samples
	@$(SUDO) tools/docs/pictures.sh $(GO) run $(FREEZE)

# What install puts in place below PREFIX. The completions and the manual are made
# by the program's own command tree.
INSTALLED := bin/opensnoop share/man/man8/opensnoop.8 \
	share/bash-completion/completions/opensnoop \
	share/zsh/site-functions/_opensnoop \
	share/fish/vendor_completions.d/opensnoop.fish

share: build
	@mkdir -p bin/share
	@bin/opensnoop completion bash >bin/share/opensnoop
	@bin/opensnoop completion zsh >bin/share/_opensnoop
	@bin/opensnoop completion fish >bin/share/opensnoop.fish
	@$(GO) run ./tools/manual $(VERSION) >bin/share/opensnoop.8

# It downloads nothing and builds nothing, as it is run as root.
install: ## put what make has built below PREFIX (/usr/local), or DESTDIR and that
	@for file in bin/opensnoop $(patsubst %,bin/share/%,$(notdir $(filter share/%,$(INSTALLED)))); do \
		[ -e "$$file" ] || { echo "*** $$file is not there: type make first, without sudo" >&2; exit 1; }; \
	done
	@# Also with another umask, the new folders are open to all.
	umask 022; install -D -m 755 bin/opensnoop "$(DESTDIR)$(PREFIX)/bin/opensnoop"
	set -e; umask 022; for file in $(filter share/%,$(INSTALLED)); do \
		install -D -m 644 "bin/share/$${file##*/}" "$(DESTDIR)$(PREFIX)/$$file"; \
	done

# The programs that opensnoop compiled, for root.
COMPILED := /var/cache/opensnoop

# Below a DESTDIR, folders that are empty now go too.
uninstall: ## take all that away again, and what root's opensnoop compiled
	rm -rf "$(DESTDIR)$(COMPILED)"
	[ -z "$(DESTDIR)" ] || [ ! -d "$(DESTDIR)$(dir $(COMPILED))" ] || \
		(cd "$(DESTDIR)" && rmdir -p --ignore-fail-on-non-empty $(patsubst /%,%,$(dir $(COMPILED))))
	set -e; for file in $(INSTALLED); do \
		rm -f "$(DESTDIR)$(PREFIX)/$$file"; \
		[ -z "$(DESTDIR)" ] || [ ! -d "$(DESTDIR)$(PREFIX)/$${file%/*}" ] || \
			(cd "$(DESTDIR)" && p="$(PREFIX)/$${file%/*}" && rmdir -p --ignore-fail-on-non-empty "$${p#/}"); \
	done

# Its dependencies are those of the libraries that the program is linked with here,
# and libbcc, which it loads when it compiles.
deb: deps ## make a Debian package in bin
	@packaging/deps.sh dpkg-dev
	@$(MAKE) --no-print-directory all
	@VERSION=$(VERSION) packaging/deb.sh bin

# podman or docker (ENGINE), and the image to begin with (BASE).
image: deb ## build the container images opensnoop:latest and opensnoop:cached
	@packaging/image/build.sh "$$(ls -t bin/opensnoop_*.deb | head -n 1)"

# A collector of OpenTelemetry's modules, which take some minutes the first time.
COLLECTOR := $(CURDIR)/.cache/fleet/collector
PACKAGES_FLEET := podman runc prometheus
test-fleet: deps $(E2E) ## count rows where they arrive: a real collector, podman, and Prometheus
	@packaging/deps.sh $(PACKAGES_FLEET)
	@mkdir -p $(dir $(COLLECTOR))
	@cd tools/fleet && $(GO) build -trimpath -ldflags '-s -w' -o $(COLLECTOR) ./collector
	@cd tools/fleet && $(SUDO) env "PATH=$$PATH" $(GO) test -count=1 -v -timeout 30m . -collector $(COLLECTOR)

deps: ## install what building needs, or say what that is
	@packaging/deps.sh $(PACKAGES)
	@packaging/go.sh install

deps-test: deps ## the same for make test, with the guest's kernel
	@packaging/deps.sh $(PACKAGES_TEST)
	@set -e; for kernel in $(KERNEL); do tools/guest/kernel.sh $$kernel $(CACHE)/$$kernel >&2; done
	@packaging/source.sh libzstd $(SOURCE) >&2 || echo "*** no source to hold depfiles to: TestDepfilesOfAProject skips" >&2

deps-test-all: deps-test ## the same for make test-all, with all kernels
	@set -e; for kernel in $(KERNELS) $(KERNELS_CORE); do tools/guest/kernel.sh $$kernel $(CACHE)/$$kernel >&2; done

deps-lint: deps ## the same for lint
	@packaging/deps.sh $(PACKAGES_LINT)

deps-bench: deps ## the same for the benchmark, with its guest's kernel and headers
	@packaging/deps.sh $(PACKAGES_TEST) $(PACKAGES_BENCH)
	@tools/guest/kernel.sh $(KERNEL_BENCH) $(CACHE)/$(KERNEL_BENCH) >&2
	@tools/guest/headers.sh $(CACHE)/$(KERNEL_BENCH) $(HEADERS)/$(KERNEL_BENCH) >&2

clean: ## remove bin
	rm -rf bin
