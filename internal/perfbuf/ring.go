package perfbuf

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is the buffer of one CPU: a page that the kernel and we tell each other in how far
// they are, and the records (include/uapi/linux/perf_event.h).
type ring struct {
	cpu  int
	fd   int
	mmap []byte
	meta *unix.PerfEventMmapPage
	data []byte // of a size that is a power of two
	// joined is where a record is put together that goes over the end of data.
	joined []byte
}

// openRing opens a ring of pages, a power of two, for a CPU. Whoever polls it is woken when
// watermark bytes are in it.
func openRing(cpu, pages, watermark int) (*ring, error) {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_BPF_OUTPUT,
		Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Sample_type: unix.PERF_SAMPLE_RAW,
		Bits: unix.PerfBitWatermark, Wakeup: uint32(watermark),
	}
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, &OpenError{Step: "perf_event_open", CPU: cpu, Err: err}
	}
	size := os.Getpagesize()
	mmap, err := unix.Mmap(fd, 0, size*(1+pages), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil, &OpenError{Step: "mmap", CPU: cpu, Err: err}
	}
	// Linux before 4.1 does not say where the records are: behind the first page.
	return newRing(cpu, fd, mmap, size), nil
}

// newRing makes a ring of memory whose records start at offset.
func newRing(cpu, fd int, mmap []byte, offset int) *ring {
	return &ring{
		cpu: cpu, fd: fd, mmap: mmap, data: mmap[offset:],
		meta: (*unix.PerfEventMmapPage)(unsafe.Pointer(&mmap[0])), // page-aligned, and larger
	}
}

func (r *ring) close() {
	unix.Munmap(r.mmap)
	unix.Close(r.fd)
}

const (
	headerSize = 8 // struct perf_event_header: u32 type, u16 misc, u16 size
	rawSize    = 4 // u32 size of PERF_SAMPLE_RAW
)

// read gives out all samples that are in the ring now. A sample is valid during the call.
func (r *ring) read(give func(sample []byte) error) error {
	tail := r.meta.Data_tail // ours alone to write
	head := atomic.LoadUint64(&r.meta.Data_head)
	// What is read is free at once, for the kernel to go on.
	for ; tail != head; atomic.StoreUint64(&r.meta.Data_tail, tail) {
		left := head - tail
		if left > uint64(len(r.data)) || left < headerSize {
			return r.damaged("%d bytes are said to be in it", left)
		}
		header := r.bytes(tail, headerSize)
		kind := binary.NativeEndian.Uint32(header)
		size := uint64(binary.NativeEndian.Uint16(header[6:]))
		if size < headerSize || size > left {
			return r.damaged("a record of %d bytes of %d", size, left)
		}
		if kind == unix.PERF_RECORD_SAMPLE {
			record := r.bytes(tail, size)[headerSize:]
			if len(record) < rawSize {
				return r.damaged("a sample of %d bytes", len(record))
			}
			raw := uint64(binary.NativeEndian.Uint32(record))
			record = record[rawSize:]
			if raw > uint64(len(record)) {
				return r.damaged("a sample with %d bytes in %d", raw, len(record))
			}
			if err := give(record[:raw]); err != nil {
				return err
			}
		}
		// Other records are the ring's own count of losses, which comes too late to
		// be of use: only with the next record that fits.
		tail += size
	}
	return nil
}

func (r *ring) damaged(format string, args ...any) error {
	return fmt.Errorf("the perf buffer of CPU %d makes no sense: "+format, append([]any{r.cpu}, args...)...)
}

// bytes returns n bytes of the ring, at most as many as it has, from a position.
func (r *ring) bytes(from, n uint64) []byte {
	start := from & uint64(len(r.data)-1)
	if start+n <= uint64(len(r.data)) {
		return r.data[start : start+n]
	}
	r.joined = append(r.joined[:0], r.data[start:]...)
	r.joined = append(r.joined, r.data[:n-uint64(len(r.joined))]...)
	return r.joined
}
