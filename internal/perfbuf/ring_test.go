package perfbuf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const metaSize = 4096

// testRing returns a ring of 64 bytes of records, at a position, with these bytes in it.
func testRing(at uint64, content []byte) *ring {
	mmap := make([]byte, metaSize+64+8)
	for uintptr(unsafe.Pointer(&mmap[0]))%8 != 0 {
		mmap = mmap[1:]
	}
	mmap = mmap[:metaSize+64]
	r := newRing(3, -1, mmap, metaSize)
	r.meta.Data_tail, r.meta.Data_head = at, at+uint64(len(content))
	for i, b := range content {
		r.data[(at+uint64(i))%64] = b
	}
	return r
}

// record is a record of that kind with a body.
func record(kind uint32, body ...byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, kind)
	b = binary.NativeEndian.AppendUint16(b, 0)
	b = binary.NativeEndian.AppendUint16(b, uint16(headerSize+len(body)))
	return append(b, body...)
}

// sample is a record with that sample.
func sample(text string) []byte {
	return record(unix.PERF_RECORD_SAMPLE, append(binary.NativeEndian.AppendUint32(nil, uint32(len(text))), text...)...)
}

func samples(r *ring) (got []string, err error) {
	err = r.read(func(sample []byte) error {
		got = append(got, string(sample))
		return nil
	})
	return got, err
}

func TestRead(t *testing.T) {
	three := slices.Concat(sample("four"), record(unix.PERF_RECORD_LOST, make([]byte, 8)...), sample("twelve bytes"))
	for at := range uint64(200) {
		r := testRing(at, three)
		got, err := samples(r)
		if err != nil || !slices.Equal(got, []string{"four", "twelve bytes"}) {
			t.Fatalf("at %d: %q, %v", at, got, err)
		}
		if r.meta.Data_tail != r.meta.Data_head {
			t.Fatalf("at %d: not all is free again", at)
		}
		if got, err := samples(r); got != nil || err != nil {
			t.Fatalf("at %d again: %q, %v", at, got, err)
		}
	}
	if got, err := samples(testRing(^uint64(0)-20, three)); err != nil || len(got) != 2 {
		t.Errorf("where positions begin anew: %q, %v", got, err)
	}
}

func TestReadEndsWithAnError(t *testing.T) {
	r := testRing(0, slices.Concat(sample("one."), sample("two.")))
	no := errors.New("no")
	if err := r.read(func([]byte) error { return no }); !errors.Is(err, no) {
		t.Errorf("error %v", err)
	}
}

func TestReadNonsense(t *testing.T) {
	size := func(b []byte, size uint16) []byte {
		binary.NativeEndian.PutUint16(b[6:], size)
		return b
	}
	for want, content := range map[string][]byte{
		"a record of 0 bytes of 16":     size(sample("four"), 0),
		"a record of 7 bytes of 16":     size(sample("four"), 7),
		"a record of 24 bytes of 16":    size(sample("four"), 24),
		"4 bytes are said to be in it":  {1, 2, 3, 4},
		"80 bytes are said to be in it": make([]byte, 80),
		"a sample of 0 bytes":           record(unix.PERF_RECORD_SAMPLE),
		"a sample with 255 bytes in 0":  record(unix.PERF_RECORD_SAMPLE, 255, 0, 0, 0),
	} {
		_, err := samples(testRing(8, content))
		if want := "the perf buffer of CPU 3 makes no sense: " + want; err == nil || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// Whatever is in a ring, reading it ends, and gives out nothing that is not in it.
func FuzzRead(f *testing.F) {
	f.Add(uint64(0), sample("four"))
	f.Add(uint64(60), slices.Concat(sample("four"), sample("twelve bytes")))
	f.Add(uint64(1), record(2, 1, 2, 3))
	f.Fuzz(func(t *testing.T, at uint64, content []byte) {
		r := testRing(at, content[:min(len(content), 72)])
		twice := append(bytes.Clone(r.data), r.data...)
		n := 0
		err := r.read(func(sample []byte) error {
			if n++; n > 64/headerSize {
				t.Fatal("more samples than there is room for")
			}
			if !bytes.Contains(twice, sample) {
				t.Fatalf("%x is not in the ring", sample)
			}
			return nil
		})
		if err != nil && !strings.HasPrefix(err.Error(), "the perf buffer of CPU 3 makes no sense") {
			t.Fatal(err)
		}
	})
}

func TestOpenErrorInWords(t *testing.T) {
	err := error(&OpenError{"mmap", 2, unix.EPERM})
	if got, want := fmt.Sprint(err), "mmap for CPU 2: operation not permitted"; got != want || !errors.Is(err, unix.EPERM) {
		t.Errorf("%q, want %q", got, want)
	}
}
