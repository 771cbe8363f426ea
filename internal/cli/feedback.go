package cli

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"opensnoop/internal/event"
	"opensnoop/internal/proc"
)

const (
	// lookEvery is how often it is looked whether rows make more rows: if there were so many meanwhile,
	// and busyTimes such times at most.
	lookEvery  = time.Second
	rowsEnough = 50
	busyTimes  = 5

	// What the readers of the rows start is looked at so often, with such a pause, and at so many
	// processes at most.
	samples, samplePause, sampledMax = 20, 20 * time.Millisecond, 64
)

// feedback notices that most rows are of what those who read them open: each row then makes more.
type feedback struct {
	seed maphash.Seed
	over atomic.Bool // nobody looks any more
	rows atomic.Uint64
	last [256]atomic.Uint64 // of the last rows, the process and its hashed comm
}

// see notes a row, as long as somebody looks.
func (f *feedback) see(e *event.Event) {
	if f.over.Load() {
		return
	}
	n := f.rows.Add(1)
	f.last[n%uint64(len(f.last))].Store(uint64(e.TGID)<<32 | f.hash(e.Comm))
}

func (f *feedback) hash(comm []byte) uint64 { return maphash.Bytes(f.seed, comm) >> 32 }

// watchFeedback says once that rows make more rows, if they do; nil is that nobody reads rows.
func (r *run) watchFeedback() *feedback {
	if r.flags.excludePipeline || r.flags.output.summary.set || r.command != nil || !r.toPipe() {
		return nil
	}
	f := &feedback{seed: maphash.MakeSeed()}
	go func() {
		defer f.over.Store(true)
		before := uint64(0)
		for busy := 0; busy < busyTimes && pause(r.ctx, lookEvery); {
			if f.rows.Load()-before < rowsEnough {
				continue
			}
			busy++
			found, err := r.findReaders()
			if err != nil || len(found.PIDs) == 0 {
				return
			}
			now := lookAt(r.ctx, found.PIDs)
			if f.mostAreOf(now) {
				names := ""
				if comms := slices.Sorted(maps.Keys(now.comms)); len(comms) > 0 {
					names = fmt.Sprintf(" (%s)", strings.Join(comms[:min(len(comms), namesMax)], ", "))
				}
				r.messages.printf("most rows are of what reads them%s: --exclude-pipeline leaves those out", names)
				return
			}
			before = f.rows.Load()
		}
	}()
	return f
}

// mostAreOf reports whether most of the last rows are of readers.
func (f *feedback) mostAreOf(r *readers) bool {
	hashes := make(map[uint64]bool)
	for comm := range r.comms {
		hashes[f.hash([]byte(comm))] = true
	}
	own, all := 0, int(min(f.rows.Load(), uint64(len(f.last))))
	for i := range f.last {
		row := f.last[i].Load()
		if r.pids[uint32(row>>32)] || hashes[row&math.MaxUint32] {
			own++
		}
	}
	return all >= rowsEnough && 2*own > all
}

// readers are those who read the rows and what they were seen to start, which may be over soon: by
// their numbers, or by their names.
type readers struct {
	pids  map[uint32]bool
	comms map[string]bool
}

// lookAt looks at readers for a while, and at what they start meanwhile.
func lookAt(ctx context.Context, pids []uint32) *readers {
	r := &readers{make(map[uint32]bool), make(map[string]bool)}
	for range samples {
		r.add(pids)
		if !pause(ctx, samplePause) {
			break
		}
	}
	return r
}

// add adds processes, and what has descended from them and runs.
func (r *readers) add(pids []uint32) {
	for all := slices.Clone(pids); len(all) > 0 && len(r.pids) < sampledMax; all = all[1:] {
		pid := all[0]
		r.pids[pid] = true
		if comm, err := os.ReadFile(fmt.Sprintf("%s/%d/comm", proc.Root, pid)); err == nil && !slices.Contains(pids, pid) {
			r.comms[strings.TrimSuffix(string(comm), "\n")] = true
		}
		children, _ := os.ReadFile(fmt.Sprintf("%s/%d/task/%d/children", proc.Root, pid, pid))
		for _, child := range strings.Fields(string(children)) {
			if number, err := strconv.ParseUint(child, 10, 32); err == nil {
				all = append(all, uint32(number))
			}
		}
	}
}

// pause waits, and reports whether ctx has not ended.
func pause(ctx context.Context, long time.Duration) bool {
	select {
	case <-ctx.Done():
	case <-time.After(long):
	}
	return ctx.Err() == nil
}
