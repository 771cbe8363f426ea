package format

import (
	"fmt"
	"slices"
	"strings"

	"opensnoop/internal/event"
	"opensnoop/internal/spell"
)

// Column is a value of an event, by the name that --columns takes.
type Column string

const (
	Time  Column = "time" // seconds since the first row
	Wall  Column = "wall" // time of day
	PID   Column = "pid"
	TID   Column = "tid"
	PPID  Column = "ppid"
	UID   Column = "uid"
	User  Column = "user"
	FD    Column = "fd"
	Err   Column = "err"
	Flags Column = "flags"
	Mode  Column = "mode"
	Comm  Column = "comm"
	File  Column = "file"
)

// Columns are all there are.
var Columns = []Column{Time, Wall, PID, TID, PPID, UID, User, FD, Err, Flags, Mode, Comm, File}

// DefaultColumns are those of the default table.
var DefaultColumns = []Column{Time, Comm, PID, File}

// Fields are what a record must hold for the column.
func (c Column) Fields() event.Fields {
	switch c {
	case PPID:
		return event.PPID
	case UID, User:
		return event.UID
	case FD, Err:
		return event.Result
	case Flags, Mode:
		return event.Flags
	}
	return 0
}

// ParseColumns returns the columns that a list names, such as "pid,comm". The
// error says what was expected.
func ParseColumns(list string) ([]Column, error) {
	var columns []Column
	for name := range strings.SplitSeq(list, ",") {
		c := Column(strings.ToLower(strings.TrimSpace(name)))
		if !slices.Contains(Columns, c) {
			return nil, fmt.Errorf("%q is no column%s: expected some of %s, by commas", name, suggestion(c), join(Columns))
		}
		if slices.Contains(columns, c) {
			return nil, fmt.Errorf("the column %s is there twice", c)
		}
		columns = append(columns, c)
	}
	return columns, nil
}

func join(columns []Column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = string(c)
	}
	return strings.Join(names, ",")
}

// suggestion asks whether another column was meant, if one is spelled much like c
// or goes by that name in other tools.
func suggestion(c Column) string {
	other := map[Column]Column{
		"path": File, "name": File, "filename": File, "command": Comm, "process": Comm,
		"errno": Err, "error": Err, "ret": FD, "timestamp": Time, "thread": TID,
	}
	best, ok := other[c]
	if !ok {
		var names []string
		for _, known := range Columns {
			names = append(names, string(known))
		}
		best = Column(spell.Nearest(string(c), names))
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
