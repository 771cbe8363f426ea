package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"opensnoop/internal/cgroup"
	"opensnoop/internal/proc"
)

// innerTime is how long processes are looked for at most by their numbers in their pid namespaces.
const innerTime = time.Second

// takeInner takes the numbers of -p for those inside the containers of --container: in their place
// come all processes there that have them. A number that none has stays as it is.
func (r *run) takeInner() error {
	f := &r.flags.trace.Filter
	if len(f.Containers) == 0 || len(f.PIDs)+len(f.Roots) == 0 {
		return nil
	}
	ctx, end := context.WithTimeout(r.ctx, innerTime)
	defer end()
	registry, err := cgroup.New()
	if err != nil {
		return err
	}
	defer registry.Close()
	for _, list := range []*[]uint32{&f.PIDs, &f.Roots} {
		found, err := proc.Inners(ctx, proc.Root, *list)
		if err != nil {
			return fmt.Errorf("looking for processes in containers: %w", err)
		}
		found = slices.DeleteFunc(found, func(p proc.Inner) bool {
			c, _ := registry.OfProcess(ctx, p.PID)
			return c == nil || !f.WantsContainer(c)
		})
		if len(found) > 0 {
			r.messages.printf("in the container %s", namesInner(found))
		}
		*list = outer(*list, found)
	}
	if ctx.Err() != nil && r.ctx.Err() == nil {
		r.messages.printf("not all processes could be looked at in %v: some of -p may be missing", innerTime)
	}
	return nil
}

// outer returns the numbers of all processes that were found by each number, or that number.
func outer(numbers []uint32, found []proc.Inner) (pids []uint32) {
	for _, number := range numbers {
		before := len(pids)
		for _, p := range found {
			if p.Number == number {
				pids = append(pids, p.PID)
			}
		}
		if len(pids) == before {
			pids = append(pids, number)
		}
	}
	return pids
}

// elsewhere goes on a message that there are no processes of these numbers: with those that have
// them in pid namespaces below this one. "" is none.
func (r *run) elsewhere(missing []uint32) string {
	if len(r.flags.trace.Filter.Containers) > 0 {
		return ", here or in the container"
	}
	ctx, end := context.WithTimeout(r.ctx, innerTime)
	defer end()
	found, err := proc.Inners(ctx, proc.Root, missing)
	if err != nil || len(found) == 0 {
		return ""
	}
	return fmt.Sprintf("; in a pid namespace below %s: use that number", namesInner(found))
}

// namesMax is how many processes a message names.
const namesMax = 3

// namesInner says which processes have which numbers.
func namesInner(found []proc.Inner) string {
	var texts []string
	for i, p := range found {
		if i == namesMax {
			texts = append(texts, fmt.Sprintf("and %d more", len(found)-i))
			break
		}
		texts = append(texts, fmt.Sprintf("%d is %d (%s)", p.Number, p.PID, p.Comm))
	}
	return strings.Join(texts, ", ")
}
