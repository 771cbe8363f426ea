// Package e2e tests the real opensnoop against real opens, on the machine itself
// and, through tools/guest, on other kernels.
//
// It needs bin/opensnoop and bin/opener, which make builds, and root. Where the
// kernel does not permit BPF it says so and tests nothing; with
// OPENSNOOP_E2E=require in the environment, as in CI, that is a failure. Tests of
// 32-bit calls and programs are skipped where the kernel takes none, or the
// compiler makes no bin/open32.
package e2e
