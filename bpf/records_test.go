package bpf_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/bpf"
	"opensnoop/internal/bcc"
	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
	"opensnoop/internal/perfbuf"
	"opensnoop/internal/plan"
)

// FuzzRecords has the kernel run the programs themselves, attached to nothing, on tasks, folders,
// mounts and files that are not the kernel's but made up here, in a map's memory: no verifier knows
// what they come to. Whatever they read, a record is whole, none is missing, and nothing is written
// beyond its room.
func FuzzRecords(f *testing.F) {
	for seed := range uint64(len(runShapes)) {
		f.Add(seed)
	}
	needBPF(f)
	for n := range runShapes { // here, as an input that takes 10 s counts as one that hangs
		runShapes[n].compile(f)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		shape := runShapes[seed%uint64(len(runShapes))]
		newRunner(t, shape, seed).calls(200)
	})
}

// A runShape is a program that runs on what is made up. Each of its calls makes one record.
type runShape struct {
	probe  string
	fields event.Fields
	call   func(*runner, *world) // one of these
	tails  [][2]string
	runs   []string
	flags  []string
}

// compiledShapes are those that have been compiled.
var compiledShapes = map[*runShape]*object.Object{}

var runShapes = []*runShape{
	{
		"PROBE_TRACEPOINT", event.Flags | event.Result | event.Path | event.Exe | event.File, (*runner).systemCall,
		[][2]string{{"walks", "walk_enter"}, {"file_walks", "walk_return"}}, []string{"syscall_enter", "syscall_exit"}, nil,
	},
	{
		"PROBE_TRACEPOINT", event.Flags | event.Result | event.Path | event.Exe | event.File, (*runner).systemCall,
		[][2]string{{"walks", "walk_enter"}, {"file_walks", "walk_return"}}, []string{"syscall_enter", "syscall_exit"}, []string{"-DLOOKUPS"},
	},
	{
		"PROBE_TRACEPOINT", event.Flags | event.Result | event.Path | event.Exe | event.File, (*runner).request,
		[][2]string{{"uring_walks", "uring_walk_enter"}}, []string{"uring_submit", "uring_complete"}, nil,
	},
	{
		"PROBE_FENTRY", event.Path | event.Exe, (*runner).kernelCall,
		[][2]string{{"walks", "walk_enter"}}, []string{"open_enter", "open_named"}, nil,
	},
	{"PROBE_TRACEPOINT", event.UID | event.Result, (*runner).systemCall, nil, []string{"syscall_enter", "syscall_exit"}, nil},
	{"PROBE_TRACEPOINT", event.UID | event.Result, (*runner).systemCall, nil, []string{"syscall_enter", "syscall_exit"}, []string{"-DLOOKUPS"}},
}

// The programs find the world of a test in the place of the current task.
const fakeTask = `
struct world {
	char bytes[WORLD];
};
BPF_F_TABLE("array", u32, struct world, world, 1, BPF_F_MMAPABLE);
BPF_ARRAY(task, u64, 1);

static __always_inline struct world *the_world(void)
{
	u32 first = 0;

	return world.lookup(&first);
}

// A number, where the verifier would look at what is done with a place in the world.
static __always_inline u64 fake_task(void)
{
	int first = 0;
	u64 *at = task.lookup(&first);

	return at ? *at : 0;
}

// Behind all strings that there can be. Without paths, a name may be as long as its room.
#define LAST(c) (*(u64 *)((c)->record.name + STRINGS_SIZE - sizeof(u64)))
#define UNTOUCHED 0x5eed5eed5eed5eedULL

// What the programs are told, and what they have come to.
int fake_begin(struct bpf_raw_tracepoint_args *ctx)
{
	struct world *w = the_world();
	int first = 0;
	u64 *self = slot(SELF), *at = task.lookup(&first);

	if (!w || !self || !at)
		return 0;
	*at = *(u64 *)(w->bytes + WORLD - 8) = (u64)w;
	*self = 1;
	note(TOP_MNT, ctx->args[0]);
	note(TOP_DENTRY, ctx->args[1]);
	note(TOP_MOUNTPOINT, ctx->args[2]);
	note(TOP_ROOT, ctx->args[3]);
	note(RENAME_LOCK, ctx->args[4]);
	note(MOUNT_LOCK, ctx->args[4]);
	for (int i = 0; i <= SCRATCH_SUBMIT; i++) {
		struct call *c = scratch_call(i);

		if (c)
			LAST(c) = UNTOUCHED;
	}
	return 0;
}

int fake_end(struct bpf_raw_tracepoint_args *ctx)
{
	struct world *w = the_world();
	u64 touched = 0;

	if (!w)
		return 0;
	for (int i = 0; i <= SCRATCH_SUBMIT; i++) {
		struct call *c = scratch_call(i);

		if (FIELDS & FIELD_PATH && c && LAST(c) != UNTOUCHED)
			touched++;
	}
	*(u64 *)(w->bytes + WORLD - 8) = slot_read(LOST_BUFFER) + slot_read(LOST_PENDING) + slot_read(LOST_NAME) + slot_read(LOST_CPU);
	*(u64 *)(w->bytes + WORLD - 16) = touched;
	*(u64 *)(w->bytes + WORLD - 24) = FIELDS & FIELD_RESULT ? 0 : slot_read(PENDING_IN);
	return 0;
}
`

const worldSize = 1 << 20

// runner runs a shape's programs.
type runner struct {
	t        *testing.T
	shape    *runShape
	random   *rand.Rand
	programs map[string]*ebpf.Program
	memory   []byte // the world's
	base     uint64 // where the kernel has it
	user     []byte // where names are: a page that can be read, or not
	reader   *perfbuf.Reader
	event    event.Event

	name    string // of the last call
	records int
	pending int // calls that wait for their return, which the next one of the thread ends
}

func newRunner(t *testing.T, shape *runShape, seed uint64) *runner {
	needBPF(t)
	runtime.LockOSThread() // calls are found by their threads
	t.Cleanup(runtime.UnlockOSThread)
	onOneCPU(t)
	module := loadShape(t, shape)
	r := &runner{t: t, shape: shape, random: rand.New(rand.NewPCG(seed, 0)), programs: make(map[string]*ebpf.Program)}
	for _, name := range append([]string{"fake_begin", "fake_end"}, shape.runs...) {
		id, err := module.ProgramID(name)
		if err != nil {
			t.Fatal(err)
		}
		if r.programs[name], err = ebpf.NewProgramFromID(id); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.programs[name].Close() })
	}
	world, err := module.Map("world")
	if err != nil {
		t.Fatal(err)
	}
	r.memory = mmap(t, world.FD(), worldSize, unix.MAP_SHARED)
	r.user = mmap(t, -1, 16*os.Getpagesize(), unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	events, err := module.Map("events")
	if err != nil {
		t.Fatal(err)
	}
	if r.reader, err = perfbuf.New(events, perfbuf.Options{Pages: 64, Watermark: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.reader.Close)
	r.run("fake_begin")
	r.base = order.Uint64(r.memory[worldSize-8:])
	return r
}

func mmap(t *testing.T, fd, size, flags int) []byte {
	t.Helper()
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(memory) })
	return memory
}

// onOneCPU keeps this thread on one CPU, whose memory the programs then use.
func onOneCPU(t *testing.T) {
	t.Helper()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if before.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.SchedSetaffinity(0, &before) })
}

// compile compiles a shape's programs, once.
func (shape *runShape) compile(t testing.TB) *object.Object {
	t.Helper()
	if compiledShapes[shape] == nil {
		compiledShapes[shape] = compileShape(t, shape)
	}
	return compiledShapes[shape]
}

func compileShape(t testing.TB, shape *runShape) *object.Object {
	t.Helper()
	headers := fstest.MapFS{"include/opensnoop/fake.h": {Data: []byte("#include <linux/types.h>\nstatic __always_inline u64 fake_task(void);\n"), Mode: 0o644}}
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
	// By this version slots are looked up, and the world is the one map that can be mapped.
	c := &bcc.Compiler{ProbeReadUser: true, Version: kernel.NewVersion(5, 4, 0)}
	flags := slices.Concat([]string{
		noControlFlow, "-DTHREAD_STATUS=0", "-DLOCKS", "-D" + shape.probe, fmt.Sprintf("-DWORLD=%d", worldSize),
		"-include", "opensnoop/fake.h", "-Dbpf_get_current_task()=fake_task()",
	}, holds(shape.fields), shape.flags, offsets)
	all := make(map[string]ebpf.ProgramType)
	for _, program := range shape.runs {
		all[program] = ebpf.RawTracepoint
	}
	for _, tail := range shape.tails {
		all[strings.TrimPrefix(tail[1], plan.URing)] = ebpf.RawTracepoint
	}
	made, err := c.Compile(t.Context(), bcc.Source{Code: text(t, here, flags, all) + fakeTask, Headers: headers, Flags: flags})
	if err != nil {
		t.Fatal(whole(err))
	}
	for _, tail := range shape.tails {
		if copied, is := strings.CutPrefix(tail[1], plan.URing); is {
			if err := made.Object.Copy(copied, plan.URing); err != nil {
				t.Fatal(err)
			}
		}
	}
	return made.Object
}

// loadShape loads a shape's programs.
func loadShape(t *testing.T, shape *runShape) *object.Module {
	t.Helper()
	module, err := shape.compile(t).Create(object.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.Close() })
	programs := append([]string{"fake_begin", "fake_end"}, shape.runs...)
	for _, tail := range shape.tails {
		programs = append(programs, tail[1])
	}
	for _, program := range programs {
		if err := module.Load(program, ebpf.RawTracepoint); err != nil {
			t.Fatal(whole(err))
		}
	}
	for _, tail := range shape.tails {
		if err := module.SetTail(tail[0], tail[1]); err != nil {
			t.Fatal(err)
		}
	}
	return module
}

// run has the kernel run a program with these arguments.
func (r *runner) run(program string, args ...uint64) {
	r.t.Helper()
	for len(args) < 12 {
		args = append(args, 0)
	}
	if _, err := r.programs[program].Run(&ebpf.RunOptions{Context: args}); err != nil {
		r.t.Fatalf("running %s: %v", program, err)
	}
}

// calls makes so many calls, each in a world of its own. While some are made, it changes.
func (r *runner) calls(n int) {
	for i := range n {
		w := makeWorld(r)
		r.run("fake_begin", w.top...)
		changing := i%4 == 3
		if changing {
			w.whileChanging(func() { r.shape.call(r, w) })
		} else {
			r.shape.call(r, w)
		}
		r.read(w, changing)
		r.run("fake_end")
		lost, touched := order.Uint64(r.memory[worldSize-8:]), order.Uint64(r.memory[worldSize-16:])
		if touched != 0 {
			r.t.Fatalf("call %d wrote beyond the room of strings", i)
		}
		r.pending = int(order.Uint64(r.memory[worldSize-24:]))
		if r.records+int(lost)+r.pending != i+1 || r.pending > 1 {
			r.t.Fatalf("%d records, %d lost and %d pending of %d calls", r.records, lost, r.pending, i+1)
		}
	}
}

// read reads the records, and holds them to the world, unless that has changed.
func (r *runner) read(w *world, changing bool) {
	err := r.reader.Read(func(record []byte) error {
		r.records++
		e := &r.event
		if err := e.Decode(record); err != nil {
			return err
		}
		if e.Fields.Has(event.Path) != r.shape.fields.Has(event.Path) || int(e.TGID) != os.Getpid() {
			return fmt.Errorf("the record is another one's: %+v", e)
		}
		if changing || r.pending > 0 { // or the call was made in the world before
			r.pending = 0
			return nil
		}
		if e.NameKind == event.NameRead && string(e.Name) != r.name {
			return fmt.Errorf("the name is %q, want %q", e.Name, r.name)
		}
		return errors.Join(w.check("exe", e.Exe.Walk), w.check("base", e.Folder.Base), w.check("root", e.Folder.Root), w.check("real", e.Real.Walk))
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
