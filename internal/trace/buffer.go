package trace

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf/perf"
	"golang.org/x/sys/unix"
)

// openMaps opens the program's maps, with perf buffers of so many pages for each CPU; 0
// is the default, or as much of it as this process may lock.
func (s *Session) openMaps(pages int) (err error) {
	if s.pending, err = s.module.Map("pending"); err != nil {
		return err
	}
	if s.slots, err = s.module.Map("slots"); err != nil {
		return err
	}
	events, err := s.module.Map("events")
	if err != nil {
		return err
	}

	s.pages = pages
	if s.pages == 0 {
		s.pages = DefaultBufferPages
	}
	for {
		bytes := s.pages * os.Getpagesize()
		s.reader, err = perf.NewReaderWithOptions(events, bytes, perf.ReaderOptions{Watermark: bytes / watermarkPart})
		switch {
		case err == nil:
			return nil
		case pages == 0 && s.pages > 1 && errorIs(err, unix.EPERM, unix.ENOMEM):
			s.pages /= 2
		case errorIs(err, unix.EPERM):
			return fmt.Errorf("opening the perf buffers of %d pages per CPU: %w; this user may lock no more memory: use a smaller -b, or raise ulimit -l or kernel.perf_event_mlock_kb", s.pages, err)
		case errorIs(err, unix.EACCES):
			// Debian's and Ubuntu's kernels have a level above the usual 2, at which
			// CAP_PERFMON does not suffice.
			return fmt.Errorf("opening the perf buffers: %w; where kernel.perf_event_paranoid is above 2, this kernel asks for CAP_SYS_ADMIN in place of CAP_PERFMON: run it with sudo, or set sysctl kernel.perf_event_paranoid=2", err)
		case errorIs(err, unix.ENOMEM):
			return fmt.Errorf("opening the perf buffers of %d pages per CPU: %w; use a smaller -b", s.pages, err)
		default:
			return fmt.Errorf("opening the perf buffers: %w", err)
		}
	}
}

// errorIs looks for errnos in err's text too, because perf.Reader's errors do not
// wrap them.
func errorIs(err error, errnos ...unix.Errno) bool {
	return slices.ContainsFunc(errnos, func(errno unix.Errno) bool {
		return errors.Is(err, errno) || strings.HasSuffix(err.Error(), errno.Error())
	})
}
