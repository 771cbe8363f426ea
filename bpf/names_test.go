package bpf_test

import (
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/bpf"
	"opensnoop/internal/bcc"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
)

// The programs that compare the two names of a map, by what is_same is used with.
const compareNames = `
struct two_names {
	char a[PATH_MAX], b[PATH_MAX];
	u64 same;
};
BPF_F_TABLE("array", u32, struct two_names, two_names, 1, BPF_F_MMAPABLE);

static __always_inline int compare(u32 len, u32 room, s64 n)
{
	u32 first = 0;
	struct two_names *names = two_names.lookup(&first);

	if (names)
		names->same = is_same(names->a, len, room, names->b, n);
	return 0;
}

int same_of_128(struct bpf_raw_tracepoint_args *ctx) { return compare(ctx->args[0], 128, ctx->args[1]); }
int same_of_256(struct bpf_raw_tracepoint_args *ctx) { return compare(ctx->args[0], 256, ctx->args[1]); }
int same_of_4096(struct bpf_raw_tracepoint_args *ctx) { return compare(ctx->args[0], PATH_MAX, ctx->args[1]); }
`

// TestNamesAreCompared compares names of all lengths that differ nowhere, in one byte, or only behind
// their ends.
func TestNamesAreCompared(t *testing.T) {
	needBPF(t)
	c := &bcc.Compiler{ProbeReadUser: true, Version: kernel.NewVersion(5, 4, 0)} // the slots are no mapped value
	made, err := c.Compile(t.Context(), bcc.Source{
		Code: text(t, here, []string{"-DPROBE_TRACEPOINT", "-DFIELDS"}, shapes["tracepoint"].programs) + compareNames, Headers: bpf.Headers(), Flags: []string{noControlFlow, "-DTHREAD_STATUS=16", "-DPROBE_TRACEPOINT", "-DFIELDS=0"},
	})
	if err != nil {
		t.Fatal(whole(err))
	}
	module, err := made.Object.Create(object.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close()
	names, err := module.Map("two_names")
	if err != nil {
		t.Fatal(err)
	}
	const size = 4096
	memory := mmap(t, names.FD(), 3*size, unix.MAP_SHARED)
	a, b := memory[:size], memory[size:2*size]
	random := rand.New(rand.NewPCG(1, 2))
	for name, room := range map[string]int{"same_of_128": 128, "same_of_256": 256, "same_of_4096": 4096} {
		if err := module.Load(name, ebpf.RawTracepoint); err != nil {
			t.Fatal(whole(err))
		}
		id, err := module.ProgramID(name)
		if err != nil {
			t.Fatal(err)
		}
		program, err := ebpf.NewProgramFromID(id)
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		same := func(length, n int) bool {
			if _, err := program.Run(&ebpf.RunOptions{Context: []uint64{uint64(length), uint64(n), 11: 0}}); err != nil {
				t.Fatal(err)
			}
			return memory[2*size] != 0
		}
		for length := 0; length <= min(room, size-1); length++ {
			for i := range a {
				a[i], b[i] = byte(random.Uint32()), byte(random.Uint32())
			}
			copy(b, a[:length])
			if !same(length, length+1) {
				t.Fatalf("%s: names of %d bytes are not the same: %q and %q", name, length, a[:length], b[:length])
			}
			if same(length, length+2) || same(length, -14) || length > 1 && same(length, length) {
				t.Fatalf("%s: names of %d bytes and of other lengths are the same", name, length)
			}
			for range 4 {
				if length == 0 {
					break
				}
				at := random.IntN(length)
				b[at] ^= 1 << random.IntN(8)
				if same(length, length+1) {
					t.Fatalf("%s: names of %d bytes are the same, but for byte %d", name, length, at)
				}
				b[at] = a[at]
			}
		}
		clear(memory)
		if !same(0, 0) { // so Linux before 6.10 reads an empty one
			t.Errorf("%s: empty names differ", name)
		}
	}
}
