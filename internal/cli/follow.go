package cli

import (
	"errors"
	"fmt"
	"time"

	"opensnoop/internal/trace"
)

// lookTime is how often it is looked whether the last followed process has ended.
const lookTime = 50 * time.Millisecond

// endWithLast ends the run when the command has ended and all that it has started.
func (r *run) endWithLast(session *trace.Session) {
	<-r.command.Done()
	for session.Followed() > 0 {
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(lookTime):
		}
	}
	r.end()
}

// countProcesses says how many there are, with a verb for one or for more.
func countProcesses(n int, one, more string) string {
	if n == 1 {
		return "1 process " + one
	}
	return fmt.Sprintf("%d processes %s", n, more)
}

// printUnfollowed says which processes were not followed, or go on.
func (r *run) printUnfollowed(session *trace.Session) {
	certain, doubtful, err := session.Unfollowed()
	if r.flags.trace.Filter.RootsExcluded {
		if n := certain + doubtful; err == nil && n > 0 {
			r.messages.printf("up to %s not seen to be of the pipeline: what they opened is shown", countProcesses(int(n), "was", "were"))
		}
		return
	}
	if err == nil && certain > 0 {
		r.messages.printf("%s not followed, as too many were at a time: their opens are neither shown nor counted", countProcesses(int(certain), "was", "were"))
	}
	if err == nil && doubtful > 0 {
		r.messages.printf("up to %s not followed, as the kernel skipped the program: their opens are neither shown nor counted", countProcesses(int(doubtful), "was", "were"))
	}
	if r.command == nil {
		return
	}
	if !ended(r.command) {
		return
	}
	if n := session.Followed(); n > 0 {
		r.messages.printf("%s on that the command has started (--wait-all waits for them)", countProcesses(n, "goes", "go"))
	}
}

// checkFollow returns an error if the flags of following cannot go together.
func (f *flags) checkFollow(command bool) error {
	switch {
	case f.follow && len(f.trace.Filter.PIDs) == 0:
		return errors.New("--follow is for -p; what a command starts is followed anyway")
	case f.follow && command:
		return errors.New("--follow is for -p, without a command")
	case f.follow && f.excludePipeline:
		return errors.New("--exclude-pipeline is for runs without --follow")
	case f.noFollow && !command:
		return errors.New("--no-follow is for a command (-- CMD)")
	case f.output.tree && !f.follow && (!command || f.noFollow):
		return errors.New("--tree is for processes that are followed: a command (-- CMD), or -p with --follow")
	case f.output.summary.live && command:
		return errors.New("--summary=live would draw over what a command prints: leave out live")
	case f.waitAll && !command:
		return errors.New("--wait-all is for a command (-- CMD)")
	case f.waitAll && f.noFollow:
		return errors.New("--wait-all waits for what --no-follow does not follow")
	}
	return nil
}
