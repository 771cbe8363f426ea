package proc

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestMemoryLimit(t *testing.T) {
	files := func(groups string, limits ...string) fstest.MapFS {
		m := fstest.MapFS{"proc/self/cgroup": {Data: []byte(groups)}}
		for i := 0; i < len(limits); i += 2 {
			m["sys/fs/cgroup/"+limits[i]] = &fstest.MapFile{Data: []byte(limits[i+1] + "\n")}
		}
		return m
	}
	for _, test := range []struct {
		name string
		root fstest.MapFS
		want uint64
	}{
		{"nothing", fstest.MapFS{}, math.MaxUint64},
		{"none", files("0::/\n"), math.MaxUint64},
		{"unlimited", files("0::/a\n", "a/memory.max", "max"), math.MaxUint64},
		{"own", files("0::/a/b\n", "a/memory.max", "max", "a/b/memory.max", "1000"), 1000},
		{"above", files("0::/a/b\n", "a/memory.max", "1000", "a/b/memory.max", "2000"), 1000},
		{"container", files("0::/\n", "memory.max", "1000"), 1000},
		{"another's", files("0::/../b\n", "b/memory.max", "1000"), math.MaxUint64},
		{"first version", files("8:pids:/\n4:memory:/a:b\n0::/\n", "memory/a:b/memory.limit_in_bytes", "1000", "memory/memory.limit_in_bytes", "9223372036854771712"), 1000},
		{"first version in a container", files("4:memory:/docker/a\n", "memory/memory.limit_in_bytes", "1000"), 1000},
	} {
		if got := memoryLimit(test.root); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}
