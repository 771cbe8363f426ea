package trace

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
)

// checkCapabilities returns an error that names what this process lacks to trace,
// before anything is tried that would fail for it.
func checkCapabilities(version kernel.Version) error {
	have, err := kernel.EffectiveCapabilities()
	if err != nil {
		return err
	}
	if missing := have.Missing(version); len(missing) > 0 {
		program, err := os.Executable()
		if err != nil {
			program = "opensnoop"
		}
		return fmt.Errorf("missing the capabilities to trace: %s; %s", strings.Join(missing, ", "), kernel.GrantHelp(missing, program))
	}
	return nil
}

// refused replaces the error of a session that could not be opened, if the kernel takes
// no BPF program at all. Only then is it asked, and if nothing helps against the error itself: that
// takes a tenth of the start.
func refused(err error) error {
	if failed := (*object.Error)(nil); errors.As(err, &failed) && failed.Remedy != "" {
		return err
	}
	switch refusal := kernel.RefusesBPF(); {
	case errors.Is(refusal, unix.EPERM):
		return fmt.Errorf("the kernel refuses BPF (%w) by a user namespace, seccomp or lockdown: in a container, add --privileged", refusal)
	case refusal != nil:
		return fmt.Errorf("the kernel refuses BPF: %w; it needs CONFIG_BPF_SYSCALL and Linux 4.17 or newer", refusal)
	}
	return err
}
