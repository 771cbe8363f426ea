package record

import (
	"encoding/base64"
	"math"
	"slices"
	"time"

	"opensnoop/internal/event"
)

// row decodes rows into events.
type row struct {
	scanner
	e *event.Event

	seq     uint64
	hasSeq  bool
	wall    time.Time
	fd      int64
	hasFD   bool
	errno   int64
	args    []byte
	cut     bool
	timed   bool         // it has seconds
	absent  event.Fields // those of which a row without them tells something: that there is none
	unread  event.Fields
	boot    time.Time // when the clock of the rows was 0
	control bool      // the line has "record": it is no row
	record  []byte

	unit       event.Unit
	units      bool // a row without a unit tells that there is none
	paths      bool // a row without a path tells that it is the name
	noUnit     bool // which unit it is, is not known
	ancestors  event.Ancestors
	containers [event.ContainersMax]event.Container // each in the one before
}

// nullable are the fields of columns of which null, or a row that leaves them out, says that there
// is none.
var nullable = map[string]event.Fields{
	"fd": event.Result, "err": event.Result, "took": event.Took, "flags": event.Flags, "args": event.Args, "ancestors": event.Ancestry, "container": event.Cgroup,
	"exe": event.Exe, "realpath": event.File, "dev": event.File, "inode": event.File, "created": event.File,
}

// expect takes the columns that rows were recorded with.
func (r *row) expect(columns []string) {
	r.absent, r.units, r.paths = 0, slices.Contains(columns, "unit"), slices.Contains(columns, "path")
	for _, name := range columns {
		r.absent |= nullable[name]
	}
}

// decode fills e from a line, and reports whether it is a row. What e has of bytes is valid until
// the next call.
func (r *row) decode(line []byte, e *event.Event) (isRow bool, err error) {
	r.scanner = scanner{line: line, buf: r.buf[:0]}
	*e = event.Event{}
	r.e, r.hasSeq, r.hasFD, r.errno, r.args, r.cut, r.control = e, false, false, 0, r.args[:0], false, false
	r.timed, r.unread, r.noUnit = false, 0, false
	e.Result = event.ResultUnknown
	r.ancestors.Reset()
	if err := r.object(r.member); err != nil {
		return false, err
	}
	if !r.end() {
		return false, errSyntax
	}
	if r.control {
		return false, nil
	}
	r.finish()
	return true, nil
}

// finish sets what several fields tell together.
func (r *row) finish() {
	e := r.e
	if r.timed {
		r.boot = r.wall.Add(-time.Duration(e.Time))
	} else {
		e.Time = uint64(max(r.wall.Sub(r.boot), 0))
	}
	r.pathOfName()
	absent := r.absent &^ e.Fields &^ r.unread
	if !e.Exec && e.Lookup == event.NoLookup {
		absent &^= event.Flags // they could not be read
	}
	e.Fields |= absent
	if r.absent.Has(event.Cgroup) && e.Container == nil && !r.unread.Has(event.Cgroup) {
		e.Container = event.Host
	}
	if r.units && e.Unit == nil && !r.noUnit {
		e.Fields |= event.Cgroup
		e.Unit = event.NoUnit
	}
	if e.Fields.Has(event.Result) {
		switch {
		case r.errno > 0:
			e.Result = int32(-r.errno)
		case r.hasFD && r.fd >= 0:
			e.Result = int32(r.fd)
		case r.hasFD && e.Result == event.ResultUnknown:
			e.Result = -1 // failed, and nobody asked how
		}
	}
	if e.Fields.Has(event.Args) {
		e.Args, e.ArgsSize = r.args, uint32(len(r.args))
		if r.cut {
			e.ArgsSize++
		}
	}
	e.Ancestors = r.ancestors
	if e.Exe.Problem == event.PathExact && e.Exe.Known == nil {
		e.Exe.Problem = event.PathNone
	}
	if e.Real.Problem == event.PathExact && e.Real.Known == nil {
		e.Real.Problem = event.PathNone
	}
}

// member reads a field. Those that are not known are skipped.
func (r *row) member(name []byte) error {
	e := r.e
	switch string(name) {
	case "record":
		r.control = true
		return r.keep(&r.record)
	case "seq":
		r.hasSeq = true
		return r.unsignedTo(&r.seq)
	case "time":
		return r.time()
	case "seconds":
		return r.seconds()
	case "pid":
		return r.number32(&e.TGID, 0, false)
	case "tid":
		return r.number32(&e.TID, 0, false)
	case "user":
		return r.keep(&e.User)
	case "login":
		return r.keep(&e.Logged)
	case "login_uid":
		return r.loginUID()
	case "fd", "fixed_fd":
		return r.descriptor(string(name) == "fixed_fd")
	case "took_ns", "still_blocks":
		return r.tookField(string(name))
	case "errno":
		return r.errnoField()
	case "flags":
		return r.flags()
	case "mode":
		return r.mode()
	case "container":
		return r.containerField()
	case "unit", "unit_within", "unit_problem":
		return r.unitField(string(name))
	case "container_problem":
		r.unread |= event.Cgroup
		e.Fields |= event.Cgroup
		e.Container = nil
		return r.skip(0)
	}
	if known, err := r.processMember(name); known {
		return err
	}
	return r.fileMember(name)
}

// processMember reads a field of names and arguments of processes; false if it is none.
func (r *row) processMember(name []byte) (known bool, err error) {
	e := r.e
	switch string(name) {
	case "comm":
		err = r.keep(&e.Comm)
	case "process":
		err = r.text32(&e.Process, event.Process)
	case "pcomm":
		err = r.text32(&e.PComm, event.PComm)
	case "comm_base64":
		err = r.base64(&e.Comm)
	case "process_base64":
		err = r.base64(&e.Process)
	case "pcomm_base64":
		err = r.base64(&e.PComm)
	case "ancestors", "ancestors_cut":
		err = r.ancestorsField(string(name))
	case "args", "args_base64", "args_cut":
		err = r.argsField(string(name))
	default:
		return false, nil
	}
	return true, err
}

// fileMember reads a field of the file, or of a place.
func (r *row) fileMember(name []byte) (err error) {
	e := r.e
	switch string(name) {
	case "file":
		if r.null() {
			return nil
		}
		return r.keep(&e.Name)
	case "file_base64":
		return r.base64(&e.Name)
	case "file_known":
		e.NameKind = event.NameUnsure
		return r.keep(&e.Name)
	case "file_known_base64":
		return r.base64(&e.Name)
	case "exec":
		e.Exec, err = r.boolean()
		return err
	case "op":
		op, err := r.text()
		e.SetOp(op)
		return err
	case "bad_address":
		return r.address(event.NameBad)
	case "unread_address":
		return r.address(event.NameUnseen)
	case "handle_address":
		return r.address(event.NameHandle)
	case "dev":
		return r.dev()
	case "inode":
		if r.null() {
			return nil
		}
		return r.unsignedTo(&e.Inode)
	case "stat_differs":
		e.StatDiffers, err = r.boolean()
		return err
	case "created":
		if r.null() {
			return nil
		}
		e.Created, err = r.boolean()
		return err
	case "dirfd":
		n, err := r.signed()
		e.Folder.DFD = int32(n)
		return err
	}
	if found, err := r.placeMember(name); found {
		return err
	}
	if n := event.NumberOf(string(name)); n != nil {
		return r.number32(n.Of(e), n.Field, n.Signed())
	}
	return r.skip(0)
}

// keep reads a string, or null.
func (r *row) keep(to *[]byte) (err error) {
	if r.null() {
		return nil
	}
	*to, err = r.text()
	return err
}

func (r *row) unsignedTo(to *uint64) (err error) {
	*to, err = r.unsigned(64)
	return err
}

// number32 reads a number of 4 bytes; with null, the event has not the field.
func (r *row) number32(to *uint32, field event.Fields, signed bool) error {
	if r.null() {
		return nil
	}
	n, err := r.signed()
	if n > math.MaxUint32 || n < 0 && (!signed || n < math.MinInt32) {
		return errSyntax
	}
	*to = uint32(n)
	r.e.Fields |= field
	return err
}

// text32 reads a comm; with null, the event has not the field.
func (r *row) text32(to *[]byte, field event.Fields) error {
	if r.null() {
		return nil
	}
	r.e.Fields |= field
	return r.keep(to)
}

// base64 reads the exact bytes of a text that is not UTF-8.
func (r *row) base64(to *[]byte) error {
	encoded, err := r.text()
	if err != nil {
		return err
	}
	from := len(r.buf)
	r.buf, err = base64.StdEncoding.AppendDecode(r.buf, encoded)
	*to = r.buf[from:len(r.buf):len(r.buf)]
	return err
}

// time reads the time of day.
func (r *row) time() error {
	text, err := r.text()
	if err != nil {
		return err
	}
	return r.wall.UnmarshalText(text)
}

// seconds reads the time since the first row, which is the event's.
func (r *row) seconds() error {
	digits, err := r.number()
	if err != nil {
		return err
	}
	var ns uint64
	fraction := -1 // digits behind the dot
	for _, c := range digits {
		switch {
		case c == '.' && fraction < 0:
			fraction = 0
			continue
		case c < '0' || c > '9' || fraction >= 9 || ns > math.MaxInt64/100:
			return errSyntax
		case fraction >= 0:
			fraction++
		}
		ns = ns*10 + uint64(c-'0')
	}
	for fraction = max(fraction, 0); fraction < 9; fraction++ {
		if ns > math.MaxInt64/10 {
			return errSyntax
		}
		ns *= 10
	}
	r.e.Time, r.timed = ns, true
	return nil
}

func (r *row) descriptor(fixed bool) error {
	r.e.Fields |= event.Result
	if r.null() {
		return nil
	}
	n, err := r.signed()
	if n < -1 || n > math.MaxInt32 {
		return errSyntax
	}
	r.fd, r.hasFD, r.e.Fixed = n, true, fixed
	return err
}

func (r *row) errnoField() error {
	r.e.Fields |= event.Result
	if r.null() {
		return nil
	}
	n, err := r.signed()
	if n < 0 || n > math.MaxInt32 {
		return errSyntax
	}
	r.errno = n
	if n == 0 {
		r.e.Result = 0
	}
	return err
}

// mode reads four octal digits.
func (r *row) mode() error {
	if r.null() {
		return nil
	}
	digits, err := r.text()
	if err != nil || len(digits) > 6 {
		return errSyntax
	}
	for _, c := range digits {
		if c < '0' || c > '7' {
			return errSyntax
		}
		r.e.Mode = r.e.Mode<<3 | uint32(c-'0')
	}
	return nil
}
