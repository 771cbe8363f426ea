package object

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
)

// assemble returns instructions as a compiler leaves them: a map is its index.
func assemble(t testing.TB, instructions ...asm.Instruction) []byte {
	t.Helper()
	var b strings.Builder
	if err := asm.Instructions(instructions).Marshal(&b, order); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}

// counting is an object whose program counts its runs.
func counting(t testing.TB) *Object {
	return &Object{
		License: "GPL",
		Maps: []Map{
			{Name: "events", Type: ebpf.PerfEventArray, KeySize: 4, ValueSize: 4},
			{Name: "counters", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1},
		},
		Programs: []Program{
			{Name: "count", Instructions: assemble(t,
				asm.StoreImm(asm.RFP, -4, 0, asm.Word),
				asm.Mov.Reg(asm.R2, asm.RFP),
				asm.Add.Imm(asm.R2, -4),
				asm.LoadMapPtr(asm.R1, 1),
				asm.FnMapLookupElem.Call(),
				asm.JEq.Imm(asm.R0, 0, "out"),
				asm.Mov.Imm(asm.R1, 1),
				asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
				asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
				asm.Return(),
			)},
			// What the verifier must refuse: R0 is not set.
			{Name: "wrong", Instructions: assemble(t, asm.Return())},
		},
	}
}

func TestCheck(t *testing.T) {
	if err := counting(t).Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(o *Object){
		"half an instruction": func(o *Object) { o.Programs[1].Instructions = make([]byte, 7) },
		"no instruction":      func(o *Object) { o.Programs[1].Instructions = nil },
		"half a load":         func(o *Object) { o.Programs[1].Instructions = []byte{0x18, 0, 0, 0, 0, 0, 0, 0} },
		"no such map":         func(o *Object) { o.Maps = o.Maps[:1] },
		"two maps":            func(o *Object) { o.Maps[0].Name = "counters" },
		"two programs":        func(o *Object) { o.Programs[0].Name = "wrong" },
		"no name of a map":    func(o *Object) { o.Maps[0].Name = "" },
		"no name":             func(o *Object) { o.Programs[0].Name = "" },
	} {
		o := counting(t)
		spoil(o)
		if err := o.Check(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A copy refers to the maps of its own that there are, and its original to what it did.
func TestCopy(t *testing.T) {
	o := counting(t)
	o.Maps = append(o.Maps, Map{Name: "other_counters", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err := o.Copy("count", "other_"); err != nil {
		t.Fatal(err)
	}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	if used := o.used(); !slices.Equal(used, []bool{false, true, true}) {
		t.Errorf("used maps: %v", used)
	}
	if copied := o.program("other_count"); copied == nil || len(copied.Instructions) != len(o.program("count").Instructions) {
		t.Errorf("copied: %v", copied)
	}
	if err := o.Copy("count", "more_"); err != nil || !slices.Equal(o.program("more_count").Instructions, o.program("count").Instructions) {
		t.Errorf("a copy without maps of its own differs: %v", err)
	}
	if err := o.Copy("none", "other_"); err == nil {
		t.Error("a copy of what is not there")
	}
}

// What passes the check can be taken apart, whatever it is.
func FuzzCheck(f *testing.F) {
	data, err := json.Marshal(counting(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"Programs":[{"Name":"a","Instructions":"GBEAAAAAAAAAAAAAAAAAAA=="}],"Maps":[{"Name":"m"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o := new(Object)
		if json.Unmarshal(data, o) != nil || o.Check() != nil {
			return
		}
		m := &Module{object: o}
		for i := range o.Programs {
			_, _ = m.instructions(&o.Programs[i])
		}
	})
}

// needBPF skips a test that this kernel, or our rights, cannot run; where
// OPENSNOOP_E2E is "require", that is a failure.
func needBPF(t *testing.T) {
	t.Helper()
	o := &Object{Maps: []Map{{Name: "m", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}}}
	m, err := o.Create(Options{})
	if err == nil {
		m.Close()
		return
	}
	if os.Getenv("OPENSNOOP_E2E") == "require" {
		t.Fatalf("the kernel refuses BPF: %v", err)
	}
	t.Skipf("*** DID NOT RUN: the kernel refuses BPF: %v", err)
}

func create(t *testing.T, opts Options) *Module {
	t.Helper()
	m, err := counting(t).Create(opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestProgramRunsUntilDetached(t *testing.T) {
	needBPF(t)
	before := descriptors(t)
	m := create(t, Options{})
	if err := m.Load("count", ebpf.RawTracepoint); err != nil {
		t.Fatal(err)
	}
	if err := m.AttachRawTracepoint("sys_enter", "count"); err != nil {
		t.Fatal(err)
	}
	counters, err := m.Map("counters")
	if err != nil {
		t.Fatal(err)
	}
	count := func() (n uint64) {
		if err := counters.Lookup(uint32(0), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := count()
	if second := count(); second <= first {
		t.Errorf("it counted %d system calls, then %d", first, second)
	}
	if err := m.Detach(); err != nil {
		t.Error(err)
	}
	first = count()
	if second := count(); second != first {
		t.Errorf("detached, it counted %d system calls, then %d", first, second)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestVerifierRefusal(t *testing.T) {
	needBPF(t)
	m := create(t, Options{})
	defer m.Close()
	err := m.Load("wrong", ebpf.RawTracepoint)
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("error %v", err)
	}
	if want := "loading the BPF program wrong failed: permission denied"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if !strings.Contains(failed.Messages, "R0 !read_ok") {
		t.Errorf("the messages do not say why:\n%s", failed.Messages)
	}
}

func TestErrors(t *testing.T) {
	needBPF(t)
	m := create(t, Options{})
	defer m.Close()
	if err := m.Load("count", ebpf.RawTracepoint); err != nil {
		t.Fatal(err)
	}
	_, mapErr := m.Map("nothing")
	_, idErr := m.ProgramID("nothing")
	for want, err := range map[string]error{
		"loading the BPF program nothing failed: there is none of that name": m.Load("nothing", ebpf.RawTracepoint),
		"the BPF program has no map nothing":                                 mapErr,
		"the BPF program nothing is not loaded":                              idErr,
		"attaching to f: the BPF program nothing is not loaded":              m.AttachKprobe("f", "nothing"),
		"attaching to g: the BPF program nothing is not loaded":              m.AttachKretprobe("g", "nothing"),
		"attaching to nowhere failed: no such file or directory":             m.AttachRawTracepoint("nowhere", "count"),
		"attaching to not_a_function failed: ":                               m.AttachKprobe("not_a_function", "count"),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := counting(t).Create(Options{Pinned: map[string]string{"counters": "/nowhere"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a map pinned nowhere: error %v", err)
	}
}

// The buffer has room for every CPU that can come, with /sys or without.
func TestPossibleCPUs(t *testing.T) {
	needBPF(t)
	known, err := ebpf.PossibleCPU()
	if err != nil {
		t.Skipf("*** DID NOT RUN: /sys does not tell: %v", err)
	}
	if n := kernel.PossibleCPUs(); n != known {
		t.Errorf("%d possible CPUs, /sys says %d", n, known)
	}
	m := create(t, Options{})
	defer m.Close()
	events, err := m.Map("events")
	if err != nil {
		t.Fatal(err)
	}
	if int(events.MaxEntries()) != known {
		t.Errorf("room for %d CPUs of %d", events.MaxEntries(), known)
	}
}

func TestErrorText(t *testing.T) {
	for want, e := range map[string]*Error{
		"x failed":                                {Step: "x"},
		"x failed: operation not permitted":       {Step: "x", Err: unix.EPERM},
		"x failed: operation not permitted; do y": {Step: "x", Err: unix.EPERM, Remedy: "do y"},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e, want)
		}
	}
}

// A program without machine code is one that the JIT failed for, if the kernel compiles others.
func TestInterpreterChosen(t *testing.T) {
	needBPF(t)
	setting, err := os.ReadFile("/proc/sys/net/core/bpf_jit_enable")
	if err != nil {
		t.Skipf("NOT TESTED: whether the JIT is on is not known here: %v", err)
	}
	err = interpreterChosen()
	if string(setting) == "0\n" && err != nil || string(setting) != "0\n" && (err == nil || !strings.Contains(err.Error(), "JIT failed")) {
		t.Errorf("the JIT is %q, error %v", setting, err)
	}
}
