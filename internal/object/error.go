package object

// Error is a step on the way of a program into the kernel that failed.
type Error struct {
	Step     string // such as "loading the BPF program open_enter"
	Messages string // the compiler's or the verifier's own words; may be empty
	Err      error  // why; nil if the messages say all
	Remedy   string // what helps, if that is known
}

func (e *Error) Error() string {
	text := e.Step + " failed"
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }
