package proc

import (
	"os"
	"os/exec"
	"slices"
	"testing"
)

// Of a pipeline that this process writes to, all read it, and nobody else.
func TestReadersOf(t *testing.T) {
	ends := make([]*os.File, 0, 6)
	for range 3 {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		ends = append(ends, read, write)
	}
	var want []uint32
	for i := range 3 {
		cmd := exec.Command("cat")
		cmd.Stdin = ends[2*i]
		if i < 2 {
			cmd.Stdout = ends[2*i+3]
		}
		if i == 2 { // no pipe of theirs
			cmd.Stdin, cmd.Stdout = nil, ends[1]
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
		if i < 2 {
			want = append(want, uint32(cmd.Process.Pid))
		}
	}
	ends[3].Close()
	ends[5].Close()
	slices.Sort(want)
	r, err := ReadersOf(Root, int(ends[1].Fd()))
	if err != nil || !slices.Equal(r.PIDs, want) || len(r.Above) > 0 {
		t.Errorf("%+v, %v; want %d", r, err, want)
	}
	ends[1].Close()
	if _, err := ReadersOf(Root, 1<<20); err == nil {
		t.Error("a descriptor that is not there has readers")
	}
}
