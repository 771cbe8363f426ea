# opensnoop: build, run, test, install. README.md says what each target is for.

PREFIX  ?= /usr/local
DESTDIR ?=
ARGS    ?=
GO      ?= go
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# The kernels whose kprobes the end-to-end suite proves, and where they are put.
KERNELS := 6.1 6.12
CACHE   := $(CURDIR)/.cache/kernels
# Their headers, for bcc's own opensnoop: ours needs none.
HEADERS := $(CURDIR)/.cache/headers

PACKAGES      := gcc libc6-dev libbpfcc-dev
PACKAGES_TEST := qemu-system-x86 busybox-static cpio kmod util-linux mandoc man-db

PACKAGES_BENCH := libbpf-tools bpftrace bpfcc-tools strace

# The guest of the benchmark.
KERNEL_BENCH := 6.12

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build run test test-unit test-host test-guests fuzz bench lint install uninstall deb deps deps-test deps-bench clean

build: bin/opensnoop

run: deps
	@$(MAKE) --no-print-directory build
	@$(SUDO) bin/opensnoop $(ARGS)

.PHONY: bin/opensnoop bin/guestrun bin/bench
bin/opensnoop:
	@$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o $@ ./cmd/opensnoop

bin/guestrun:
	@$(GO) build -o $@ ./internal/guest/guestrun

bin/bench:
	@$(GO) build -o $@ ./internal/bench

# The load of the benchmark.
bin/load: testdata/callers/load.c
	@mkdir -p bin
	$(CC) -O2 -Wall -Wextra -Werror -static -o $@ $<

# The callers of the end-to-end suite. open32 is a 32-bit program without libc, so
# that no 32-bit libraries are needed.
bin/opener: testdata/callers/opener.c
	@mkdir -p bin
	$(CC) -O2 -Wall -Wextra -Werror -pthread -static -o $@ $<

bin/open32: testdata/callers/open32.c
	@mkdir -p bin
	$(CC) -m32 -O2 -Wall -Wextra -Werror -nostdlib -static -ffreestanding -fno-stack-protector -fno-pic -no-pie -o $@ $<

# One goal after the other, also with make -j: they share the machine, and the
# suite watches all of it.
test: deps-test
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-host
	@$(MAKE) --no-print-directory test-guests

# The first need the kernel's BPF: what they could not run shows with -v only.
test-unit: build
	$(GO) vet ./...
	$(SUDO) env "PATH=$$PATH" "OPENSNOOP_E2E=$$OPENSNOOP_E2E" $(GO) test -v ./bpf ./internal/bcc ./internal/trace
	$(SUDO) env "PATH=$$PATH" $(GO) test $$($(GO) list ./... | grep -vE '/(bpf|internal/bcc|internal/trace|internal/e2e)$$')

test-host: bin/opensnoop bin/opener bin/open32 deb
	$(SUDO) env "PATH=$$PATH" "OPENSNOOP_E2E=$$OPENSNOOP_E2E" $(GO) test -count=1 -v ./internal/e2e

# All guests at a time: each takes one CPU. What one prints comes in one piece.
test-guests: bin/opensnoop bin/opener bin/open32 bin/guestrun deb
	@$(MAKE) --no-print-directory -j -Otarget $(addprefix test-guest-,$(KERNELS))

test-guest-%:
	@echo "end-to-end suite in a guest with Linux $*:"
	@OPENSNOOP_E2E=require $(GO) test -count=1 -v -timeout 40m \
		-exec "$(CURDIR)/bin/guestrun -kernel $(CACHE)/$* -timeout 35m" ./internal/e2e

# Each fuzz target for a while.
FUZZTIME ?= 30s
fuzz:
	@set -e; for package in $$($(GO) list ./internal/...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

# Its stdout is the report's alone.
bench:
	@$(MAKE) --no-print-directory deps-bench bin/opensnoop bin/load bin/bench >&2
	@$(SUDO) bin/bench -kernel $(CACHE)/$(KERNEL_BENCH) -headers $(HEADERS)/$(KERNEL_BENCH) $(ARGS)

lint:
	@test -z "$$(gofmt -l .)" || { echo "not formatted by gofmt:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

# What install puts in place below PREFIX. The completions and the manual are made
# by the program's own command tree.
INSTALLED := sbin/opensnoop share/man/man8/opensnoop.8 \
	share/bash-completion/completions/opensnoop \
	share/zsh/site-functions/_opensnoop \
	share/fish/vendor_completions.d/opensnoop.fish

install: build
	@mkdir -p bin/share
	bin/opensnoop completion bash >bin/share/opensnoop
	bin/opensnoop completion zsh >bin/share/_opensnoop
	bin/opensnoop completion fish >bin/share/opensnoop.fish
	$(GO) run ./internal/manual $(VERSION) >bin/share/opensnoop.8
	install -D -m 755 bin/opensnoop "$(DESTDIR)$(PREFIX)/sbin/opensnoop"
	set -e; for file in $(filter share/%,$(INSTALLED)); do \
		install -D -m 644 "bin/share/$${file##*/}" "$(DESTDIR)$(PREFIX)/$$file"; \
	done

# Below a DESTDIR, folders that are empty now go too.
uninstall:
	set -e; for file in $(INSTALLED); do \
		rm -f "$(DESTDIR)$(PREFIX)/$$file"; \
		[ -z "$(DESTDIR)" ] || [ ! -d "$(DESTDIR)$(PREFIX)/$${file%/*}" ] || \
			(cd "$(DESTDIR)" && p="$(PREFIX)/$${file%/*}" && rmdir -p --ignore-fail-on-non-empty "$${p#/}"); \
	done

# A Debian package, in bin. Its dependencies are those of the libraries that the
# program is linked with here.
deb: deps
	$(call need,dpkg-dev)
	VERSION=$(VERSION) packaging/deb.sh bin

# need installs those of the packages that are not installed.
define need
@missing=; \
if ! command -v dpkg-query >/dev/null; then \
	echo "This system has no apt. Please install what these Debian packages hold: $(1), and Go."; exit 0; \
fi; \
for package in $(1); do \
	dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
done; \
if [ -n "$$missing" ]; then \
	echo "installing$$missing"; \
	$(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
fi
endef

deps:
	$(call need,$(PACKAGES))
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go 1.21 or newer, it fetches the version that go.mod names"; exit 1; }

deps-test: deps
	$(call need,$(PACKAGES_TEST))
	@set -e; for kernel in $(KERNELS); do internal/guest/kernel.sh $$kernel $(CACHE)/$$kernel; done

deps-bench: deps
	$(call need,$(PACKAGES_TEST) $(PACKAGES_BENCH))
	@internal/guest/kernel.sh $(KERNEL_BENCH) $(CACHE)/$(KERNEL_BENCH)
	@internal/guest/headers.sh $(CACHE)/$(KERNEL_BENCH) $(HEADERS)/$(KERNEL_BENCH)

clean:
	rm -rf bin
