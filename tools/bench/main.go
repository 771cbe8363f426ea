// Bench measures what opensnoop costs the machine that it watches, and what its
// peers cost there. The tools take turns under the same loads, in several rounds;
// the table has the medians, and the ratio of ours to each. Figures of one run
// compare with each other, not with those of another run.
//
//	make bench
//
// runs it with all that it needs: root, the peers, a kernel for a guest, and
// opensnoop and load beside this program. To compare with an older opensnoop, in the
// same run:
//
//	make bench ARGS="-peer /path/to/old/opensnoop"
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are what the command line chose.
type options struct {
	json    bool
	rounds  int
	peers   []string
	kernel  string
	headers string
	inGuest bool

	instructions bool
	record       string
	accept       bool
	ours         bool
	rows         string
}

func main() {
	var o options
	flag.BoolVar(&o.json, "json", false, "write the report in JSON")
	flag.IntVar(&o.rounds, "rounds", 5, "make so `many` rounds")
	flag.Func("peer", "measure another opensnoop too, the program at this `path`; may be repeated", func(path string) error {
		path, err := filepath.Abs(path)
		o.peers = append(o.peers, path)
		return err
	})
	flag.StringVar(&o.kernel, "kernel", "", "measure also in a guest, with the kernel in this `folder`")
	flag.StringVar(&o.headers, "headers", "", "the `folder` with the headers of that kernel, for bcc")
	flag.BoolVar(&o.inGuest, "in-guest", false, "this is the guest: measure what is measured there")
	flag.BoolVar(&o.instructions, "instructions", false, "count instructions in guests instead, with the kernels in -kernel, by commas")
	flag.StringVar(&o.record, "record", "", "with -instructions, compare with the `file`")
	flag.BoolVar(&o.ours, "ours", false, "with -instructions, count those of opensnoop alone")
	flag.StringVar(&o.rows, "rows", "", "with -instructions, count for the rows alone whose names match the `regexp`")
	flag.BoolVar(&o.accept, "accept", false, "with -instructions, record what was counted there")
	flag.Parse()
	if flag.NArg() > 0 || o.rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// run measures and writes the report, also of a part of the measures.
func run(ctx context.Context, o options) error {
	if o.instructions && !o.inGuest {
		return countInGuests(ctx, o)
	}
	if err := ownMounts(); err != nil {
		return err
	}
	if o.instructions {
		// Without headers bcc's own tells so.
		if err := linkHeaders(o.headers); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return countHere(ctx, o)
	}
	if o.inGuest {
		if err := linkHeaders(o.headers); err != nil {
			return err
		}
	}
	ctx, dog := withWatchdog(ctx, silence)
	defer dog.stop()
	r, err := measureHere(ctx, o, dog)
	if err != nil {
		return err
	}
	if o.kernel != "" && ctx.Err() == nil {
		r.Guest, err = runInGuest(ctx, o, dog)
		if r.Guest == nil && err != nil {
			r.NoGuest = err.Error()
		}
	}
	if o.json || o.inGuest {
		err = json.NewEncoder(os.Stdout).Encode(r)
	} else {
		err = r.write(os.Stdout)
	}
	return errors.Join(err, r.failure())
}

// failure is an error if opensnoop itself could not be measured, or not everything
// has had its turn.
func (r *report) failure() error {
	if why := r.Tools[0].Reason; why != "" {
		return fmt.Errorf("%s cannot run: %s", r.Tools[0].Tool, why)
	}
	if r.Incomplete != "" {
		return fmt.Errorf("not finished: %s", r.Incomplete)
	}
	return nil
}

// measureHere measures on the running kernel. What could not be measured stands in
// the report.
func measureHere(ctx context.Context, o options, dog *watchdog) (*report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "opensnoop-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	beside := filepath.Dir(self)
	b := &bench{
		plan:     hostPlan(filepath.Join(beside, "opensnoop"), o),
		ctx:      ctx,
		loadPath: filepath.Join(beside, "load"),
		dir:      dir,
	}
	where := "here"
	if o.inGuest {
		where = "in the guest"
		b.plan = guestPlan(filepath.Join(beside, "opensnoop"), o)
	}
	r := &report{Machine: thisMachine(), Rounds: b.rounds, Tools: newResults(b.tools)}
	started := time.Now()
	b.run(r.Tools, func(what string) {
		dog.alive()
		fmt.Fprintf(os.Stderr, "bench: %4.0f s %s: %s\n", time.Since(started).Seconds(), where, what)
		if o.inGuest { // the host keeps the last, should the guest not come to its end
			partly := *r
			partly.Incomplete = "the guest did not come to its end"
			json.NewEncoder(os.Stdout).Encode(partly)
		}
	})
	if ctx.Err() != nil {
		r.Incomplete = context.Cause(ctx).Error()
	}
	return r, nil
}

func hostPlan(opensnoop string, o options) plan {
	return plan{
		tools:    hostTools(opensnoop, o.peers),
		rounds:   o.rounds,
		starts:   3,
		load:     500 * time.Millisecond,
		patience: time.Minute,
		pause:    500 * time.Microsecond,
		later:    5 * time.Second,
	}
}

// guestPlan is for CPUs that QEMU emulates, maybe on a busy machine.
func guestPlan(opensnoop string, o options) plan {
	return plan{
		tools:    guestTools(opensnoop, o.peers),
		rounds:   2,
		starts:   1,
		load:     500 * time.Millisecond,
		patience: 5 * time.Minute,
		pause:    5 * time.Millisecond,
	}
}
