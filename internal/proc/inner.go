package proc

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Inner is a process by its number in the innermost pid namespace that it is in.
type Inner struct {
	Number, PID uint32
	Comm        string // as /proc escapes it
}

// Inners are the processes that have one of the numbers so, among all that /proc shows, or those
// that were looked at when ctx ended.
func Inners(ctx context.Context, root string, wanted []uint32) (found []Inner, err error) {
	pids, err := numbers(root)
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		if ctx.Err() != nil {
			break
		}
		text, err := os.ReadFile(filepath.Join(root, strconv.FormatUint(uint64(pid), 10), "status"))
		if err != nil {
			continue // it has ended
		}
		if p, ok := inner(string(text)); ok && slices.Contains(wanted, p.Number) {
			p.PID = pid
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b Inner) int { return int(int64(a.PID) - int64(b.PID)) })
	return found, nil
}

// inner reads a process's status: its comm, and the last of its numbers, those of NSpid.
func inner(status string) (p Inner, ok bool) {
	for line := range strings.Lines(status) {
		field, value, _ := strings.Cut(line, ":")
		switch value = strings.Trim(value, "\t\n"); field {
		case "Name":
			p.Comm = value
		case "NSpid":
			number, err := strconv.ParseUint(value[strings.LastIndexByte(value, '\t')+1:], 10, 32)
			p.Number = uint32(number)
			return p, err == nil
		}
	}
	return p, false // before Linux 4.1, or without pid namespaces
}
