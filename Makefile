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

PACKAGES      := gcc libc6-dev libbpfcc-dev
PACKAGES_TEST := qemu-system-x86 busybox-static cpio kmod util-linux

PACKAGES_BENCH := libbpf-tools bpftrace bpfcc-tools strace

# The guest of the benchmark, and headers for bcc there.
KERNEL_BENCH := 6.12
HEADERS      := $(CURDIR)/.cache/headers/$(KERNEL_BENCH)

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build run test test-unit test-host test-guests fuzz bench lint install uninstall deps deps-test deps-bench clean

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

test-unit:
	$(GO) vet ./...
	$(SUDO) env "PATH=$$PATH" $(GO) test $$($(GO) list ./... | grep -v /internal/e2e)

test-host: bin/opensnoop bin/opener bin/open32
	$(SUDO) env "PATH=$$PATH" "OPENSNOOP_E2E=$$OPENSNOOP_E2E" $(GO) test -count=1 -v ./internal/e2e

test-guests: bin/opensnoop bin/opener bin/open32 bin/guestrun
	@set -e; for kernel in $(KERNELS); do \
		echo "end-to-end suite in a guest with Linux $$kernel:"; \
		OPENSNOOP_E2E=require $(GO) test -count=1 -v -timeout 30m \
			-exec "$(CURDIR)/bin/guestrun -kernel $(CACHE)/$$kernel -timeout 20m" ./internal/e2e; \
	done

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
	@$(SUDO) bin/bench -kernel $(CACHE)/$(KERNEL_BENCH) -headers $(HEADERS) $(ARGS)

lint:
	@test -z "$$(gofmt -l .)" || { echo "not formatted by gofmt:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

install: build
	install -D -m 755 bin/opensnoop $(DESTDIR)$(PREFIX)/sbin/opensnoop

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/opensnoop

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
	@internal/guest/headers.sh $(CACHE)/$(KERNEL_BENCH) $(HEADERS)

clean:
	rm -rf bin
