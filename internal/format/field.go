package format

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"opensnoop/internal/event"
)

// A field is one of an event in JSON and CSV.
type field struct {
	name   string
	column Column // that has it
	kind   kind
	// optional means that JSON leaves the field out where it has no value.
	optional bool
	// value returns the field's value as text; false if there is none. The text
	// is valid until the next value.
	value func(r *rows, e *event.Event) ([]byte, bool)
}

// kind is how JSON shows a value.
type kind uint8

const (
	text   kind = iota // a string
	number             // a number
	list               // an array of the strings between the |
)

// timeLayout is time.RFC3339Nano without its leaving out zeros.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// fields are all there are, in JSON's order.
var fields = []field{
	{name: "time", column: Wall, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return r.at(e).AppendFormat(r.scratch[:0], timeLayout), true
	}},
	{name: "seconds", column: Time, kind: number, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendSeconds(r.scratch[:0], e.Time-r.first), true
	}},
	{name: "pid", column: PID, kind: number, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendUint(r.scratch[:0], e.TGID), true
	}},
	{name: "tid", column: TID, kind: number, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendUint(r.scratch[:0], e.TID), true
	}},
	{name: "ppid", column: PPID, kind: number, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendUint(r.scratch[:0], e.PPID), e.Fields.Has(event.PPID)
	}},
	{name: "uid", column: UID, kind: number, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendUint(r.scratch[:0], e.UID), e.Fields.Has(event.UID)
	}},
	{name: "user", column: User, value: func(r *rows, e *event.Event) ([]byte, bool) {
		if !e.Fields.Has(event.UID) {
			return nil, false
		}
		if name := r.users.Name(e.UID); name != "" {
			return append(r.scratch[:0], name...), true
		}
		return appendUint(r.scratch[:0], e.UID), true
	}},
	{name: "fd", column: FD, kind: number, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendInt(r.scratch[:0], descriptor(e.Result)), resultKnown(e)
	}},
	{name: "errno", column: Err, kind: number, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendInt(r.scratch[:0], errno(e.Result)), resultKnown(e)
	}},
	{name: "error", column: Err, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendError(r.scratch[:0], errno(e.Result)), failed(e)
	}},
	{name: "flags", column: Flags, kind: number, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return strconv.AppendUint(r.scratch[:0], e.Flags, 10), e.Fields.Has(event.Flags)
	}},
	{name: "flag_names", column: Flags, kind: list, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return event.AppendFlags(r.scratch[:0], e.Flags), e.Fields.Has(event.Flags)
	}},
	{name: "mode", column: Mode, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendMode(r.scratch[:0], e.Mode), e.Fields.Has(event.Flags) && event.HeedsMode(e.Flags)
	}},
	{name: "comm", column: Comm, value: func(_ *rows, e *event.Event) ([]byte, bool) {
		return e.Comm, true
	}},
	{name: "comm_base64", column: Comm, optional: true, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return exact(r, e.Comm)
	}},
	{name: "file", column: File, value: func(_ *rows, e *event.Event) ([]byte, bool) {
		return e.Name, e.NameKind == event.NameRead
	}},
	{name: "file_base64", column: File, optional: true, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return exact(r, e.Name)
	}},
	{name: "bad_address", column: File, optional: true, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendAddress(r.scratch[:0], e.Address), e.NameKind == event.NameBad
	}},
	{name: "unread_address", column: File, optional: true, value: func(r *rows, e *event.Event) ([]byte, bool) {
		return appendAddress(r.scratch[:0], e.Address), e.NameKind == event.NameUnseen
	}},
}

// exact is the value of a field that has the bytes of another one.
func exact(r *rows, text []byte) ([]byte, bool) {
	if utf8.Valid(text) {
		return nil, false
	}
	return base64.StdEncoding.AppendEncode(r.scratch[:0], text), true
}

// at is the time of day of an event.
func (r *rows) at(e *event.Event) time.Time { return r.boot.Add(time.Duration(e.Time)) }
