package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/cgroup"
	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/plan"
	"opensnoop/internal/proc"
)

// unseen goes on the message that no open matched: what else there is to see.
func (f *flags) unseen() string {
	asked := f.trace.Filter.Failed || len(f.trace.Filter.Errnos) > 0
	with := f.trace.Options
	with.Lookups = true
	if plans, _, err := plan.New(with, f.trace.Kernel); !asked || f.trace.Lookups || err != nil || len(plans) == 0 {
		return ""
	}
	return "; --lookups also shows what was only checked"
}

// sayWaiting says on a terminal that nothing of a name that is asked for runs, if that is certain.
func (r *run) sayWaiting() {
	f := &r.flags.trace.Filter
	if !r.messages.terminal || r.command != nil || unix.Geteuid() != 0 || r.flags.trace.Kernel.Namespace != (kernel.PIDNamespace{}) {
		return
	}
	if len(f.Containers)+len(f.Units) > 0 && !r.mayRun() {
		what, hint := "container "+strings.Join(f.Containers, ","), "podman ps and docker ps list them"
		if len(f.Containers) == 0 {
			what, hint = "unit "+strings.Join(f.Units, ","), "systemctl lists them"
		}
		r.messages.printf("no %s now; waiting for one (%s)", what, hint)
	}
	names := slices.Concat(f.Comms, f.Under)
	if len(names) > 0 && !anyNamed(names) {
		r.messages.printf("no process named %s now; waiting for one (ps -e lists them)", strings.Join(names, ","))
	}
}

// mayRun reports whether a process may be in what --container or --unit ask for.
func (r *run) mayRun() bool {
	registry, err := cgroup.New()
	if err != nil {
		return true
	}
	defer registry.Close()
	ctx, end := context.WithTimeout(r.ctx, time.Second)
	defer end()
	may := registry.Blind() != ""
	f := &r.flags.trace.Filter
	err = registry.Running(ctx, func(c *event.Container, u *event.Unit) {
		may = may || len(f.Containers) > 0 && (c == nil || f.WantsContainer(c)) || len(f.Units) > 0 && (u == nil || f.WantsUnit(u))
	})
	return may || err != nil || ctx.Err() != nil
}

// anyNamed reports whether there may be a thread with one of the names in its own.
func anyNamed(names []string) bool {
	comms, err := filepath.Glob(proc.Root + "/[0-9]*/task/[0-9]*/comm")
	return err != nil || slices.ContainsFunc(comms, func(path string) bool {
		comm, _ := os.ReadFile(path)
		return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(string(comm), name) })
	})
}
