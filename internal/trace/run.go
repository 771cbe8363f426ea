package trace

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"time"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/perfbuf"
)

const (
	// DefaultBufferPages is the default size of each CPU's buffer, in pages. Under two
	// processes that do nothing but open, on two CPUs, with four busy processes beside
	// the reader, 16 pages lose some 6 % of the opens and 64 none. Four times that is
	// for machines that give the reader still less; four times as much again would cost
	// a quarter more CPU time a row, as the records no longer stay in the CPU's cache.
	DefaultBufferPages = 256

	// The reader is woken when a watermarkPart-th of a buffer is full. Under one such
	// process, an eighth takes it the least CPU time: of a half 1.5 times as much, of a
	// 128th 1.8 times, with opens slowed by a tenth more. Waking it for every record
	// takes several times as much, and slows opens three times as much.
	watermarkPart = 8

	// roundTime is how long records below the watermark wait. A record is handed
	// out in the second round after it at the latest, so it is seen within 50 ms.
	// A flood does not notice: 5 ms or 100 ms cost the same. A quiet machine's
	// reader wakes 40 times a second.
	roundTime = 25 * time.Millisecond

	// firstRoundTime is how long each of the firstRounds takes, and then each twice as long
	// as the one before, until it is roundTime: the first rows shall not wait.
	firstRoundTime = 250 * time.Microsecond
	firstRounds    = 32

	// lossTime is how often losses are looked for and told.
	lossTime = time.Second
)

// Handler is what [Session.Run] calls. An error of Event or Flush ends the run.
type Handler struct {
	// Event gets each open, in order of time. The event is valid during the call.
	Event func(*event.Event) error

	// Flush is called when, for the moment, there is no more to hand out.
	Flush func() error

	// Lost is called when opens were lost, at most once a second, with all those
	// since the session began.
	Lost func(Losses)

	// Ended is called once for each process that was to be traced by its number, or followed,
	// and has ended, and NoneLeft if nothing is left to trace then.
	Ended    func(pid uint32)
	NoneLeft func()

	// Silent is called when the program no longer runs, as when kprobes are switched
	// off, with the reason, and with nil when it does so again. Opens between do not show,
	// and are not counted.
	Silent func(why error)
}

// Run hands out the opens until ctx ends or the handler fails. It then detaches
// the probes, hands out what was recorded until then, unless the handler failed,
// and returns what was lost in all. Each open since [Open] is either
// handed out or counted as lost.
func (s *Session) Run(ctx context.Context, h Handler) (lost Losses, err error) {
	lost.SkippedWhy = s.plan.Probe.Skipped // so that only a loss is a difference
	checkLoss, checkPending := time.Now().Add(lossTime), time.Now().Add(pendingTime)
	round := firstRoundTime
	for rounds := 1; err == nil && ctx.Err() == nil; rounds++ {
		s.attachLater()
		horizon := s.clock.now()
		err = s.collect(round)
		if err != nil {
			break
		}
		if rounds >= firstRounds && round < roundTime {
			if round = min(2*round, roundTime); round == roundTime {
				s.loadLater() // the first rows are out
			}
		}
		if t := time.Now(); t.After(checkPending) {
			checkPending = t.Add(pendingTime)
			err = errors.Join(s.expire(), s.reportEnds(h))
			s.watchCPUs()
			if t.After(checkLoss) {
				checkLoss = t.Add(lossTime)
				lost = s.checkLost(lost, h)
				s.checkSilence(h)
				if s.queue.Shrink() {
					debug.FreeOSMemory() // a quiet machine makes no garbage that would call for it
				}
			}
		}
		err = errors.Join(err, s.release(horizon, h))
	}
	err = errors.Join(err, s.detach())
	if err == nil {
		err = s.collect(0)
	}
	if err == nil {
		err = s.expireAll()
	}
	if err == nil {
		err = s.releaseAll(h)
	}
	lost, lossErr := s.Losses()
	return lost, errors.Join(err, lossErr)
}

// collect does one round: it waits for records, at the most for the given time,
// then moves all that the buffers hold into the queue. Whatever was submitted
// before the round began is in the queue after it.
func (s *Session) collect(wait time.Duration) error {
	if wait > 0 {
		if err := s.reader.Wait(wait); err != nil {
			return err
		}
	}
	return s.reader.Read(s.push)
}

// release hands out what is older than horizon.
func (s *Session) release(horizon uint64, h Handler) error {
	s.clock.update()
	e := &s.event // whose memory is used again
	err := s.queue.Release(horizon, func(time uint64, record []byte) error {
		if !s.decode(e, record) {
			return nil
		}
		e.Time = time
		if s.containers != nil && !s.nameContainer(e, horizon == math.MaxUint64) {
			return perfbuf.ErrLater
		}
		switch s.filter.Of(e) {
		case filter.Drop:
			return nil
		case filter.NoPath:
			s.uncompared.Left++
			return nil
		case filter.Unsure:
			s.uncompared.Shown++
		}
		return h.Event(e)
	})
	if err != nil {
		return err
	}
	return h.Flush()
}

// releaseAll hands out what is there, whatever that waits for.
func (s *Session) releaseAll(h Handler) error {
	for {
		if err := s.release(math.MaxUint64, h); err != nil || s.queue.Len() == 0 {
			return err
		}
		time.Sleep(firstRoundTime)
	}
}

// checkLost tells of what was lost since before, and returns what was lost until now.
func (s *Session) checkLost(before Losses, h Handler) Losses {
	lost, err := s.Losses()
	if err != nil || lost == before {
		return before
	}
	h.Lost(lost)
	return lost
}
