// Bench measures what opensnoop costs the machine that it watches, and what its
// peers cost there. The tools take turns under the same loads, in several rounds;
// the table has the medians, and the ratio of ours to each. Figures of one run
// compare with each other, not with those of another run.
//
//	make bench
//
// runs it with all that it needs: root, the peers, a kernel for a guest, and
// opensnoop and load beside this program.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// limit ends a run in which something hangs.
const limit = 15 * time.Minute

// options are what the command line chose.
type options struct {
	json    bool
	rounds  int
	kernel  string
	headers string
	inGuest bool
}

func main() {
	var o options
	flag.BoolVar(&o.json, "json", false, "write the report in JSON")
	flag.IntVar(&o.rounds, "rounds", 5, "make so `many` rounds")
	flag.StringVar(&o.kernel, "kernel", "", "measure also in a guest, with the kernel in this `folder`")
	flag.StringVar(&o.headers, "headers", "", "the `folder` with the headers of that kernel, for bcc")
	flag.BoolVar(&o.inGuest, "in-guest", false, "this is the guest: measure what is measured there")
	flag.Parse()
	if flag.NArg() > 0 || o.rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the benchmark had not ended after %v", limit))
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if err := ownMounts(); err != nil {
		return err
	}
	if o.inGuest {
		if err := linkHeaders(o.headers); err != nil {
			return err
		}
	}
	r, err := measureHere(ctx, o)
	if err != nil {
		return err
	}
	if o.kernel != "" {
		r.Guest, err = runInGuest(ctx, o.kernel, o.headers, os.Stderr)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
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

// failure is an error if opensnoop itself could not be measured.
func (r *report) failure() error {
	if why := r.Tools[0].Reason; why != "" {
		return fmt.Errorf("%s cannot run: %s", r.Tools[0].Tool, why)
	}
	return nil
}

// measureHere measures on the running kernel.
func measureHere(ctx context.Context, o options) (*report, error) {
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
	opensnoop := filepath.Join(beside, "opensnoop")
	b := &bench{
		plan: plan{
			tools:    hostTools(opensnoop),
			rounds:   o.rounds,
			load:     500 * time.Millisecond,
			patience: 20 * time.Second,
			pause:    500 * time.Microsecond,
			later:    5 * time.Second,
		},
		ctx:      ctx,
		loadPath: filepath.Join(beside, "load"),
		dir:      dir,
	}
	where := "here"
	if o.inGuest {
		where = "in the guest"
		b.plan = plan{
			tools:    guestTools(opensnoop),
			rounds:   2,
			load:     500 * time.Millisecond,
			patience: 2 * time.Minute,
			pause:    5 * time.Millisecond,
		}
	}
	started := time.Now()
	results, err := b.run(func(what string) {
		fmt.Fprintf(os.Stderr, "bench: %4.0f s %s: %s\n", time.Since(started).Seconds(), where, what)
	})
	if err != nil {
		return nil, err
	}
	return &report{Machine: thisMachine(), Rounds: b.rounds, Tools: results}, nil
}
