package trace

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"opensnoop/bpf"
	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/plan"
)

// pendingHead is what libbcc gives the BPF program, and the headers' own #includes.
const pendingHead = `
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;
typedef _Bool bool;
#define TASK_COMM_LEN 16
#define LINUX_VERSION_CODE 0
#define KERNEL_VERSION(major, minor, patch) 1
`

// The C compiler gives pending calls the layout and the keys that are here.
func TestPendingCallsAreThoseOfC(t *testing.T) {
	source := pendingHead
	for _, name := range []string{"record.h", "call.h"} {
		text, err := fs.ReadFile(bpf.OwnHeaders(), "include/opensnoop/"+name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#include") {
				source += line
			}
		}
	}
	for condition, want := range map[string]uint64{
		"REQUEST_ID(1ULL << 62 | 5)": requestBit | 5,
		"INTERRUPTED_ID(5)":          interruptedBit | 5,
		"EXEC_ID(5)":                 execBit | 5,
		"UNREAD_TIME":                uint64(unreadTime),
		"LONG_NAME":                  longName,
		"PENDING_MAX":                pendingMax,
		"CELLS":                      cellCount,
		"CELL_FREE":                  cellFree,
		"CELL_BUSY":                  cellBusy,
		"HOLDER_SHIFT":               (holderAt - 24) * 8,
	} {
		source += fmt.Sprintf("_Static_assert(%s == %dULL, \"%s\");\n", condition, want, condition)
	}
	for _, fields := range []event.Fields{0, event.Flags, event.Result, event.Path, event.AllFields} {
		short := fmt.Sprintf("_Static_assert(SHORT_NAME == %d, \"SHORT_NAME\");\n"+
			"_Static_assert(offsetof(struct pending_call, record) == %d, \"recordAt\");\n"+
			"_Static_assert(sizeof(struct pending_call) == %d + FIXED_SIZE + SHORT_NAME, \"record\");\n", shortName(fields), recordAt(fields), recordAt(fields))
		macros := plan.Complete(fields.Macros(), nil)
		compile(t, bpf.Define(macros)+source+short)
	}
}

func TestThreadGone(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s, self := &Session{plan: &plan.Plan{}}, uint64(os.Getpid())
	if s.threadGone(self<<32 | self) {
		t.Error("this process is gone")
	}
	if id := uint64(1<<22<<32 | 1<<22); !s.threadGone(id) || !s.threadGone(id|interruptedBit|execBit) { // PID_MAX_LIMIT
		t.Error("a thread that cannot be is there")
	}
}

// However many calls are pending, a look costs no more than so many, and others have room: of a crowd,
// those are emitted that have waited long. What is emitted is in the queue, or counted.
func TestCrowdOfPendingCalls(t *testing.T) {
	record := (&event.Event{Fields: event.Result, Result: event.ResultUnknown, Comm: []byte("a"), Name: []byte("/name")}).Append(make([]byte, recordAt(event.Result)))
	value := make([]byte, len(record)-len("/name")+shortName(event.Result))
	copy(value, record)
	for name, only := range map[string]filter.Filter{"all": {}, "failed": {Failed: true}} {
		t.Run(name, func(t *testing.T) {
			calls, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 8, ValueSize: uint32(len(value)), MaxEntries: pendingMax})
			if err != nil {
				t.Skipf("*** DID NOT RUN: the kernel makes no BPF map: %v", err)
			}
			defer calls.Close()
			s := &Session{plan: &plan.Plan{Fields: event.Result, Filter: only, ForeignIDs: true}, slots: &slots{memory: make([]byte, os.Getpagesize())}}
			s.pending.calls = calls
			const young = 100
			now := s.clock.now()
			for id := range uint64(pendingMax) {
				at := now - uint64(2*crowdTime)
				if id < young {
					at = now + uint64(time.Hour)
				}
				binary.NativeEndian.PutUint64(value[recordAt(event.Result):], at)
				if err := calls.Put(id, value); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 * pendingMax / pendingSlice {
				before := s.queue.Len() + int(s.pending.lost)
				if err := s.expire(); err != nil {
					t.Fatal(err)
				}
				if given := s.queue.Len() + int(s.pending.lost) - before; given > pendingSlice {
					t.Fatalf("%d calls in one round", given)
				}
			}
			const given = pendingMax - pendingCrowd
			unfinished, lost := uint64(given), uint64(0)
			if only.ByResult() {
				unfinished, lost = lost, unfinished
			}
			if s.pending.unfinished != unfinished || s.pending.lost != lost || s.queue.Len() != int(unfinished) {
				t.Errorf("%d unfinished, %d lost, %d in the queue; want %d and %d", s.pending.unfinished, s.pending.lost, s.queue.Len(), unfinished, lost)
			}
			left := 0
			if err := s.pending.lookAtAll(func(uint64, pendingCall) { left++ }); err != nil || left != pendingCrowd {
				t.Errorf("%d calls are left, %v", left, err)
			}
			for id := range uint64(young) {
				if _, err := calls.LookupBytes(id); err != nil {
					t.Errorf("the call %d: %v", id, err)
				}
			}
			if err := s.expireAll(); err != nil || s.queue.Len() != int(unfinished)+left {
				t.Errorf("%d in the queue at the end, %v", s.queue.Len(), err)
			}
		})
	}
}
