package trace

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"opensnoop/internal/event"
	"opensnoop/internal/proc"
)

// argsTime is how long the start waits at most for the arguments of programs that run already.
const argsTime = time.Second

// programArgs is a value of the map of programs' arguments: struct args in <opensnoop/record.h>.
type programArgs struct {
	Size  uint32
	Bytes [event.ArgsMax]byte
}

// startArguments begins to see programs that are executed.
func (s *Session) startArguments() error {
	for i := range s.plan.Arguments {
		if _, err := s.attach(&s.plan.Arguments[i]); err != nil {
			return fmt.Errorf("seeing programs executed: %w", err)
		}
	}
	if !s.plan.Fields.Has(event.Args) {
		return nil
	}
	return s.readArgs()
}

// readArgs puts the arguments of the programs that run already into the map. What executes
// another one meanwhile has put its own.
func (s *Session) readArgs() error {
	args, err := s.module.Map("program_args")
	if err != nil {
		return err
	}
	if s.plan.ForeignIDs {
		return nil // the numbers in the kernel are others
	}
	return proc.AllArguments(event.ArgsMax, argsTime, func(a proc.Arguments) error {
		value := programArgs{Size: a.Size}
		copy(value.Bytes[:], a.Text)
		if err := args.Update(a.PID, &value, ebpf.UpdateNoExist); err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
			return fmt.Errorf("telling of the arguments of the process %d: %w", a.PID, err)
		}
		return nil
	})
}
