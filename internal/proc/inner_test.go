package proc

import (
	"context"
	"path/filepath"
	"reflect"
	"testing"
)

func TestInners(t *testing.T) {
	root := t.TempDir()
	for pid, status := range map[string]string{
		"5":    "Name:\tcat\nTgid:\t5\nNSpid:\t5\n",
		"4711": "Name:\tNSpid: 7\\n\nNSpid:\t4711\t7\nThreads:\t1\n",
		"4712": "Name:\tsh\nNSpid:\t4712\t7\t1\n",
		"4713": "Name:\ta\tb\nNSpid:\t4713\t3\t7\n",
		"4714": "Name:\told\nTgid:\t4714\n",
		"4715": "Name:\todd\nNSpid:\t4715\tx\n",
		"4716": "",
		"self": "Name:\tme\nNSpid:\t1\t7\n",
	} {
		write(t, filepath.Join(root, pid, "status"), status)
	}
	got, err := Inners(t.Context(), root, []uint32{7, 5})
	if want := []Inner{{5, 5, "cat"}, {7, 4711, `NSpid: 7\n`}, {7, 4713, "a\tb"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	if got, err := Inners(ctx, root, []uint32{7}); err != nil || len(got) > 0 {
		t.Errorf("after the end: %+v, %v", got, err)
	}
	if _, err := Inners(t.Context(), filepath.Join(root, "none"), nil); err == nil {
		t.Error("no /proc, no error")
	}
}
