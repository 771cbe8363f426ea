package trace

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"

	"opensnoop/bpf"
	"opensnoop/internal/event"
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
`

// The C compiler gives pending calls the layout and the keys that are here.
func TestPendingCallsAreThoseOfC(t *testing.T) {
	source := pendingHead
	for _, name := range []string{"record.h", "call.h"} {
		text, err := fs.ReadFile(bpf.Headers(), "include/opensnoop/"+name)
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
	} {
		source += fmt.Sprintf("_Static_assert(%s == %dULL, \"%s\");\n", condition, want, condition)
	}
	for _, fields := range []event.Fields{0, event.Flags, event.Result, event.Path, event.AllFields} {
		short := fmt.Sprintf("_Static_assert(SHORT_NAME == %d, \"SHORT_NAME\");\n"+
			"_Static_assert(offsetof(struct pending_call, record) == %d, \"recordAt\");\n"+
			"_Static_assert(sizeof(struct pending_call) == %d + FIXED_SIZE + SHORT_NAME, \"record\");\n", shortName(fields), recordAt(fields), recordAt(fields))
		compile(t, source+short, fmt.Sprintf("-DFIELDS=%d", fields))
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
