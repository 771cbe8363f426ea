package event

// Lookup is by which call a file was looked for, and not opened.
type Lookup uint8

const (
	NoLookup Lookup = iota // it is an open
	Stat
	Access
	ReadLink
)

// lookupOf is that of a record.
func lookupOf(kind byte) Lookup {
	if kind < kindStated || kind > kindLinkRead {
		return NoLookup
	}
	return Stat + Lookup(kind-kindStated)
}

// ops are the names of what is done, by its Lookup.
var ops = [...]string{"open", "stat", "access", "readlink"}

// Op is what is done to a file: open, exec, stat, access or readlink.
func (e *Event) Op() string {
	if e.Exec {
		return "exec"
	}
	return ops[e.Lookup]
}

// SetOp sets what is done by its name. One that is not known is an open.
func (e *Event) SetOp(op []byte) {
	e.Exec, e.Lookup = string(op) == "exec", NoLookup
	for l := Stat; l <= ReadLink; l++ {
		if string(op) == ops[l] {
			e.Lookup = l
		}
	}
}
