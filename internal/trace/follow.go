package trace

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/internal/proc"
)

// startFollowing begins to follow the roots of the filter and all that descend from them. From its
// return on none is missed that a followed process makes.
func (s *Session) startFollowing() (err error) {
	f := &s.plan.Filter
	if len(f.Roots) == 0 {
		return nil
	}
	if s.followed, err = s.module.Map("followed"); err != nil {
		return err
	}
	if s.followedByUser, err = s.module.Map("followed_by_user"); err != nil {
		return err
	}
	if f.Running {
		for _, pid := range f.Roots {
			if err := s.addFollowed(pid, 0); err != nil {
				return err
			}
		}
		if !f.RootsExcluded {
			err = s.slots.set(slotLooking, 1)
		}
	} else {
		// Its number in the kernel, which may not be the one here, shows when it does
		// something.
		err = s.slots.set(slotFollowPID, uint64(f.Roots[0]))
	}
	if err != nil {
		return err
	}
	for i := range s.plan.Followed {
		if _, err := s.attach(&s.plan.Followed[i]); err != nil {
			return fmt.Errorf("following processes: %w", err)
		}
	}
	if f.Running && !f.RootsExcluded {
		return s.findDescendants()
	}
	return nil
}

// findDescendants follows what the roots have started before. What is made meanwhile the
// program tells, as its parent may be found later.
func (s *Session) findDescendants() error {
	forks, err := s.module.Map("forks")
	if err != nil {
		return err
	}
	there, err := proc.All(proc.Root)
	if err != nil {
		return err
	}
	parents := make(map[uint32]uint32)
	for _, p := range there {
		parents[p.PID] = p.Parent
	}
	// Once nothing is added, all parents are followed, and the program follows what they make.
	for added := true; added; {
		var child, parent uint32
		for all := forks.Iterate(); all.Next(&child, &parent); {
			parents[child] = parent
		}
		if added, err = s.followChildren(parents); err != nil {
			return err
		}
	}
	if err := s.slots.set(slotLooking, 0); err != nil {
		return err
	}
	s.orphans = s.countOrphans(there)
	return s.forgetEnded()
}

// followChildren follows the processes whose parents are, and reports whether there were any.
func (s *Session) followChildren(parents map[uint32]uint32) (added bool, err error) {
	for pid, parent := range parents {
		var depth uint32 // of the parent
		if s.followed.Lookup(parent, &depth) != nil || s.follows(pid) {
			continue
		}
		if err := s.addFollowed(pid, depth+1); err != nil {
			return added, err
		}
		added = true
	}
	return added, nil
}

// addFollowed follows a process that is so far below a root, if it is not followed yet.
func (s *Session) addFollowed(pid, depth uint32) error {
	// First the number, by which the program sees that it has to look.
	if err := s.countInBucket(pid, 1); err != nil {
		return err
	}
	err := s.followed.Update(pid, depth, ebpf.UpdateNoExist)
	if err == nil {
		return nil
	}
	if errors.Is(err, ebpf.ErrKeyExist) {
		return s.countInBucket(pid, -1)
	}
	return fmt.Errorf("following the process %d: %w", pid, err)
}

// countInBucket counts the followed processes in the bucket of one, as far as they were put
// in or taken out here: see FOLLOWED_BUCKETS in <opensnoop/maps.h>.
func (s *Session) countInBucket(pid uint32, n int) error {
	bucket := pid % s.followedByUser.MaxEntries()
	var count uint64
	if err := s.followedByUser.Lookup(bucket, &count); err != nil {
		return fmt.Errorf("counting followed processes: %w", err)
	}
	if err := s.followedByUser.Put(bucket, count+uint64(n)); err != nil {
		return fmt.Errorf("counting followed processes: %w", err)
	}
	return nil
}

func (s *Session) follows(pid uint32) bool {
	var value uint32
	return s.followed.Lookup(pid, &value) == nil
}

// forgetEnded takes those out that ended before they were put in: their end has been.
func (s *Session) forgetEnded() error {
	var pid, value uint32
	var ended []uint32
	for all := s.followed.Iterate(); all.Next(&pid, &value); {
		if p, err := proc.Read(proc.Root, pid); errors.Is(err, os.ErrNotExist) || err == nil && p.Ended {
			ended = append(ended, pid)
		}
	}
	for _, pid := range ended {
		if err := s.followed.Delete(pid); errors.Is(err, ebpf.ErrKeyNotExist) {
			continue // the program has done it
		} else if err != nil {
			return err
		}
		if err := s.countInBucket(pid, -1); err != nil {
			return err
		}
	}
	return nil
}

// countOrphans counts the processes that are likely to descend from followed ones, of whose
// session or group they are, but whose parents had ended before.
func (s *Session) countOrphans(there []proc.Process) int {
	groups, sessions := make(map[uint32]bool), make(map[uint32]bool)
	for _, p := range there {
		if s.follows(p.PID) {
			groups[p.Group] = true
		}
	}
	for _, root := range s.plan.Filter.Roots {
		sessions[root] = true // that it has made
	}
	n := 0
	for _, p := range there {
		if !s.follows(p.PID) && !p.Ended && p.Parent == 1 && (groups[p.Group] || sessions[p.Session]) {
			n++
		}
	}
	return n
}

// Orphans is how many processes are likely to descend from those to follow, but had lost
// their parents before the session began, so that nothing tells. They are not followed.
func (s *Session) Orphans() int { return s.orphans }

// Followed is how many processes are followed now. It leaves out those that have ended unseen, as the
// kernel skipped the program, if their numbers are known here. It may be asked while the session runs.
func (s *Session) Followed() int {
	if s.followed == nil {
		return 0
	}
	n := 0
	var pid, value uint32
	for all := s.followed.Iterate(); all.Next(&pid, &value); {
		if s.plan.ForeignIDs || !errors.Is(unix.Kill(int(pid), 0), unix.ESRCH) {
			n++
		}
	}
	return n
}

// Unfollowed is how many processes should have been followed, but there were too many, and how
// many more may be, as the kernel skipped the program that follows.
func (s *Session) Unfollowed() (certain, doubtful uint64, err error) {
	if s.followed == nil {
		return 0, 0, nil
	}
	if certain, err = s.slots.get(slotUnfollowed); err != nil {
		return 0, 0, err
	}
	doubtful, err = s.module.Misses(s.plan.Probe.Forks.Program)
	return certain, doubtful, err
}
