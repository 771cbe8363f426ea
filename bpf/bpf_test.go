package bpf_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cilium/ebpf"

	"opensnoop/bpf"
	"opensnoop/internal/bcc"
	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/plan"
)

// Architectures, by libbcc's names, with what tells that the registers are laid
// out as their kernels do. All compile on any machine.
var architectures = map[string]string{
	"x86": `
_Static_assert(offsetof(struct pt_regs, bx) == 40, "");
_Static_assert(offsetof(struct pt_regs, ax) == 80, "");
_Static_assert(offsetof(struct pt_regs, cx) == 88, "");
_Static_assert(offsetof(struct pt_regs, si) == 104, "");
_Static_assert(offsetof(struct pt_regs, di) == 112, "");
_Static_assert(offsetof(struct pt_regs, orig_ax) == 120, "");
_Static_assert(sizeof(struct pt_regs) == 168, "");
`,
	"arm64": `
_Static_assert(offsetof(struct pt_regs, regs[1]) == 8, "");
_Static_assert(offsetof(struct pt_regs, regs[30]) == 240, "");
_Static_assert(offsetof(struct pt_regs, user_regs.sp) == 248, "");
_Static_assert(offsetof(struct pt_regs, pstate) == 264, "");
_Static_assert(offsetof(struct pt_regs, orig_x0) == 272, "");
_Static_assert(offsetof(struct pt_regs, syscallno) == 280, "");
`,
}

// shapes are two programs that have most of the source between them, for each
// probe. The offsets are no real ones: nothing runs.
var shapes = map[string]struct {
	flags    []string
	programs map[string]ebpf.ProgramType
}{
	"kprobe": {
		[]string{"-DPROBE_KPROBE"},
		map[string]ebpf.ProgramType{"open_enter": ebpf.Kprobe, "open_named": ebpf.Kprobe, "open_return": ebpf.Kprobe},
	},
	"kprobe with everything": {
		append([]string{"-DPROBE_KPROBE"}, everything...),
		map[string]ebpf.ProgramType{"open_enter": ebpf.Kprobe, "syscall_exit": ebpf.RawTracepoint},
	},
	"session": {
		append([]string{"-DPROBE_KPROBE", "-DPROBE_SESSION", "-DTASK_RET_STACK=48", "-DTASK_REGS"}, everything...),
		map[string]ebpf.ProgramType{"open_session": ebpf.Kprobe, "openat2_session": ebpf.Kprobe, "sigreturn_session": ebpf.Kprobe, "open_named": ebpf.Kprobe},
	},
	// Their programs get what those of raw tracepoints do, and these need no function.
	"fentry": {
		slices.Concat([]string{"-DPROBE_FENTRY"}, holds(32), offsets),
		map[string]ebpf.ProgramType{"open_enter": ebpf.RawTracepoint, "open_named": ebpf.RawTracepoint, "openat2_enter": ebpf.RawTracepoint},
	},
	"fentry with results": {
		append([]string{"-DPROBE_FENTRY"}, everything...),
		map[string]ebpf.ProgramType{"open_enter": ebpf.RawTracepoint, "open_named": ebpf.RawTracepoint, "open_exit": ebpf.RawTracepoint, "openat2_exit": ebpf.RawTracepoint, "sigreturn_exit": ebpf.RawTracepoint},
	},
	"tracepoint": {
		[]string{"-DPROBE_TRACEPOINT"},
		map[string]ebpf.ProgramType{"syscall_enter": ebpf.RawTracepoint, "syscall_exit": ebpf.RawTracepoint, "uring_submit": ebpf.RawTracepoint},
	},
	"kprobe with paths": {
		slices.Concat([]string{"-DPROBE_KPROBE"}, holds(64), offsets),
		map[string]ebpf.ProgramType{"open_enter": ebpf.Kprobe, "open_named": ebpf.Kprobe, "open_return": ebpf.Kprobe, "walk_enter": ebpf.Kprobe},
	},
	"tracepoint with paths and results": {
		slices.Concat([]string{"-DPROBE_TRACEPOINT", "-DURING_COMPLETE_ARGUMENTS=3"}, holds(1023), offsets),
		map[string]ebpf.ProgramType{"syscall_enter": ebpf.RawTracepoint, "syscall_exit": ebpf.RawTracepoint, "walk_enter": ebpf.RawTracepoint, "walk_return": ebpf.RawTracepoint, "uring_complete": ebpf.RawTracepoint},
	},
	"tracepoint that follows": {
		append([]string{"-DPROBE_TRACEPOINT", "-DFOLLOW"}, offsets...),
		map[string]ebpf.ProgramType{"syscall_enter": ebpf.RawTracepoint, "task_fork": ebpf.RawTracepoint, "task_exit": ebpf.RawTracepoint},
	},
	"tracepoint that leaves out a pipeline": {
		append([]string{"-DPROBE_TRACEPOINT", "-DFOLLOW", "-DFOLLOWED_EXCLUDED", "-DPID_SLOT"}, offsets...),
		map[string]ebpf.ProgramType{"syscall_enter": ebpf.RawTracepoint, "task_fork": ebpf.RawTracepoint, "task_exit": ebpf.RawTracepoint},
	},
	"kprobe that sees programs executed": {
		slices.Concat([]string{"-DPROBE_KPROBE", "-DEXECS", "-DFOLLOW", "-DCGROUPS_EXCLUDED"}, holds(8191), offsets),
		map[string]ebpf.ProgramType{"exec_enter": ebpf.Kprobe, "exec_open": ebpf.Kprobe, "exec_loader": ebpf.Kprobe, "task_exec": ebpf.RawTracepoint, "task_wake": ebpf.Kprobe, "walk_enter": ebpf.Kprobe, "cgroup_made": ebpf.RawTracepoint, "open_enter": ebpf.Kprobe},
	},
	"tracepoint that sees programs executed": {
		slices.Concat([]string{"-DPROBE_TRACEPOINT", "-DEXECS"}, holds(2116), offsets),
		map[string]ebpf.ProgramType{"task_exec": ebpf.RawTracepoint, "walk_exec": ebpf.RawTracepoint, "task_fork": ebpf.RawTracepoint, "syscall_exit": ebpf.RawTracepoint},
	},
	"tracepoint with lookups": {
		slices.Concat([]string{"-DPROBE_TRACEPOINT", "-DLOOKUPS", "-DEXECS", "-DURING_COMPLETE_ARGUMENTS=3"}, holds(1023), offsets),
		map[string]ebpf.ProgramType{"syscall_enter": ebpf.RawTracepoint, "syscall_exit": ebpf.RawTracepoint, "walk_enter": ebpf.RawTracepoint, "uring_submit": ebpf.RawTracepoint},
	},
	"tracepoint with everything": {
		append([]string{"-DPROBE_TRACEPOINT"}, everything...),
		map[string]ebpf.ProgramType{"syscall_enter": ebpf.RawTracepoint, "syscall_exit": ebpf.RawTracepoint, "uring_submit": ebpf.RawTracepoint},
	},
}

// holds are the flags by which records hold these fields.
func holds(fields event.Fields) (flags []string) {
	for _, macro := range fields.Macros() {
		flags = append(flags, "-D"+macro)
	}
	return flags
}

// offsets are no real ones, but in an order that is.
var offsets = []string{
	"-DTASK_NSPROXY=8", "-DNSPROXY_MNT_NS=8", "-DNSPROXY_CGROUP_NS=48", "-DCGROUP_NS_INUM=24", "-DMNT_NS_INUM=8", "-DTASK_REAL_PARENT=8", "-DTASK_TGID=16", "-DTASK_CRED=24", "-DCRED_EUID=24",
	"-DTASK_GROUP_LEADER=32", "-DTASK_COMM=40", "-DTASK_FS=48", "-DTASK_FILES=56", "-DFS_USERS=0", "-DFS_SEQ=8", "-DFS_ROOT=24", "-DFS_PWD=40",
	"-DFILES_COUNT=0", "-DFILES_FDT=32", "-DFILE_COUNT=56", "-DFDT_MAX=0", "-DFDT_FD=8", "-DFILE_PATH=64", "-DMOUNT_PARENT=16", "-DMOUNT_MOUNTPOINT=24", "-DMOUNT_MNT=32", "-DMOUNT_ROOT=32",
	"-DMOUNT_NS=224", "-DDENTRY_SEQ=4", "-DDENTRY_PPREV=16", "-DDENTRY_PARENT=24", "-DDENTRY_LEN=36", "-DDENTRY_NAME=40", "-DDENTRY_INAME=56",
	"-DTASK_MM=64", "-DMM_EXE_FILE=64", "-DFILE_INODE=32", "-DFILE_MODE=4", "-DINODE_SB=40", "-DINODE_INO=64", "-DSB_DEV=16", "-DSB_FLAGS=80", "-DSB_TYPE=40", "-DTYPE_NAME=0",
	"-DFILE_FLAGS=8", "-DDENTRY_OPS=48", "-DOPS_DNAME=8", "-DINODE_PRIVATE=72", "-DNS_OPS=8", "-DNS_OPS_NAME=0", "-DTASK_LOGINUID=112",
	"-DINODE_MODE=0", "-DSB_INFO=88", "-DSB_DEPTH=96", "-DDENTRY_INODE=96", "-DBTRFS_VFS_INODE=24", "-DBTRFS_INODE_ROOT=0", "-DBTRFS_ROOT_DEV=8",
	"-DOVERLAY_XINO=24", "-DOVERLAY_VFS_INODE=40", "-DOVERLAY_FLAGS=0", "-DOVERLAY_UPPER=8", "-DTASK_SIGNAL=72", "-DSIGNAL_LIVE=4", "-DMM_ARG_START=80", "-DMM_ARG_END=88", "-DBPRM_FILENAME=96", "-DBPRM_INTERP=104",
	"-DCGROUP_KN=8", "-DCGROUP_ROOT=16", "-DCGROUP_ROOT_ID=8", "-DKERNFS_ID=96",
}

var everything = slices.Concat(holds(63), []string{
	"-DPID_SLOT", "-DCGROUPS", "-DMNTNSES", "-DPIDNS_DEV=4", "-DPIDNS_INO=4026531837",
	"-DPIDS", "-DLISTED=ONE_OF((u32)local, case 1: case 9:) && !ONE_OF(local >> 32, case 7:)" + ofNumbers(), `-DCOMMS=comm_contains(comm, 0x61, 0, 1)`,
	"-DFLAGS_WANTED=(flags & 3) == 1", `-DNAMES=has_prefix(name, "/etc", 4)`, `-DNAMES_EXCLUDED=has_prefix(name, "/etc/x", 6)`, "-DRESULT_WANTED=result != RESULT_UNKNOWN && result < 0", `-DCOMMS_EXCLUDED=comm_contains(comm, 0x62, 0, 1)`,
}, offsets)

// ofNumbers compares each number of the task, as a filter would.
func ofNumbers() (c string) {
	for _, n := range event.Numbers {
		c += " && ONE_OF(" + n.C() + ", case 0:)"
	}
	return c
}

// noControlFlow keeps some libbcc's -fcf-protection=return, which is for x86, from
// being refused where another architecture is compiled for.
const noControlFlow = "-fcf-protection=none"

func needBPF(t testing.TB) {
	t.Helper()
	if err := kernel.RefusesBPF(); err != nil {
		if os.Getenv("OPENSNOOP_E2E") == "require" {
			t.Fatalf("the kernel refuses BPF: %v", err)
		}
		t.Skipf("*** DID NOT RUN: the kernel refuses BPF: %v", err)
	}
}

// text is the program's, with these programs of their types, for these flags.
func text(t testing.TB, arch string, flags []string, programs map[string]ebpf.ProgramType) string {
	t.Helper()
	var macros []string
	for _, flag := range flags {
		macros = append(macros, strings.TrimPrefix(flag, "-D"))
	}
	var made []bpf.Program
	for name, kind := range programs {
		context := "struct bpf_raw_tracepoint_args"
		if kind == ebpf.Kprobe {
			context = "struct pt_regs"
		}
		made = append(made, bpf.Program{Name: name, Context: context})
	}
	text, err := bpf.Text(arch, plan.Complete(macros, nil)[len(macros):], made)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// here is this machine's architecture.
var here = map[string]string{"amd64": "x86", "arm64": "arm64"}[runtime.GOARCH]

var compiler = &bcc.Compiler{ProbeReadUser: true, Version: kernel.NewVersion(6, 0, 0)}

// whole is an error with libbcc's messages.
func whole(err error) string {
	if failed := (*object.Error)(nil); errors.As(err, &failed) {
		return err.Error() + ":\n" + failed.Messages
	}
	return err.Error()
}

func TestSourceCompilesAndLoads(t *testing.T) {
	needBPF(t)
	for arch, layout := range architectures {
		for name, shape := range shapes {
			t.Run(arch+" "+name, func(t *testing.T) {
				r, err := compiler.Compile(t.Context(), bcc.Source{
					Code:    text(t, arch, shape.flags, shape.programs) + layout,
					Headers: bpf.Headers(),
					Flags:   append([]string{noControlFlow, "-DTHREAD_STATUS=16", "-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-parameter", "-Werror"}, shape.flags...),
					Arch:    arch,
				})
				if err != nil {
					t.Fatal(whole(err))
				}
				m, err := r.Object.Create(object.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				for program, kind := range shape.programs {
					if name == "session" {
						continue // they call a function that only kernels with kprobes have
					}
					if err := m.Load(program, kind); err != nil {
						t.Error(whole(err))
					}
				}
			})
		}
	}
}

// Kernels before 5.5 have no array that can be mapped: there the slots are looked up.
func TestOldKernelsLookSlotsUp(t *testing.T) {
	needBPF(t)
	old := &bcc.Compiler{ProbeReadUser: true, Version: kernel.NewVersion(5, 4, 0)}
	for name, shape := range shapes {
		if name == "session" {
			continue
		}
		programs := maps.Clone(shape.programs)
		if strings.HasPrefix(name, "kprobe") {
			programs["handle_enter"] = ebpf.Kprobe
		}
		r, err := old.Compile(t.Context(), bcc.Source{
			Code: text(t, here, shape.flags, programs), Headers: bpf.Headers(), Flags: append([]string{noControlFlow, "-DTHREAD_STATUS=16"}, shape.flags...),
		})
		if err != nil {
			t.Fatal(whole(err))
		}
		for _, m := range r.Object.Maps {
			if m.Name == "slots" && (m.MaxEntries == 1 || m.Flags != 0 || m.ValueSize != 8) {
				t.Errorf("%s: the slots are %+v", name, m)
			}
		}
		m, err := r.Object.Create(object.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for program, kind := range programs {
			if err := m.Load(program, kind); err != nil {
				t.Errorf("%s: %s", name, whole(err))
			}
		}
		m.Close()
	}
}

// Each architecture's own header is what its source is compiled with, and one
// that lacks a register is found out.
func TestBrokenHeaderFails(t *testing.T) {
	for arch := range architectures {
		headers := fstest.MapFS{}
		err := fs.WalkDir(bpf.Headers(), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(bpf.Headers(), path)
			headers[path] = &fstest.MapFile{Data: text, Mode: 0o644}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		headers["arch/"+arch+"/include/asm/ptrace.h"].Data = []byte("struct pt_regs { u64 wrong; };\n")
		_, err = compiler.Compile(t.Context(), bcc.Source{
			Code:    text(t, arch, []string{"-DPROBE_TRACEPOINT"}, shapes["tracepoint"].programs),
			Headers: headers,
			Flags:   []string{noControlFlow, "-DPROBE_TRACEPOINT", "-DTHREAD_STATUS=16"},
			Arch:    arch,
		})
		var failed *object.Error
		if !errors.As(err, &failed) || !strings.Contains(failed.Messages, "in 'struct pt_regs'") {
			t.Errorf("%s: error %v", arch, err)
		}
	}
}
