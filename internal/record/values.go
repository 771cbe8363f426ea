package record

import "opensnoop/internal/event"

// loginUID reads who logged in; null is nobody.
func (r *row) loginUID() error {
	r.e.Login = event.NoLogin
	r.e.Fields |= event.Login
	return r.number32(&r.e.Login, event.Login, false)
}

// tookField reads how long an open took, or that it was still blocked.
func (r *row) tookField(name string) (err error) {
	r.e.Fields |= event.Took
	switch {
	case r.null():
	case name == "still_blocks":
		r.e.Blocks, err = r.boolean()
	default:
		r.e.Took, err = r.unsigned(63)
	}
	return err
}

// ancestorsField reads what a process descends from, the topmost first.
func (r *row) ancestorsField(name string) (err error) {
	r.e.Fields |= event.Ancestry
	switch {
	case r.null():
		return nil
	case name == "ancestors_cut":
		r.ancestors.Cut, err = r.boolean()
		return err
	}
	var tgids [event.AncestorsMax]uint32
	var comms [event.AncestorsMax][]byte
	n := 0
	err = r.array(func() error {
		if n == event.AncestorsMax {
			return errSyntax
		}
		n++
		return r.object(func(name []byte) error {
			switch string(name) {
			case "pid":
				pid, err := r.unsigned(32)
				tgids[n-1] = uint32(pid)
				return err
			case "comm":
				return r.keep(&comms[n-1])
			case "comm_base64":
				return r.base64(&comms[n-1])
			}
			return r.skip(0)
		})
	})
	for i := n - 1; i >= 0; i-- {
		r.ancestors.Add(tgids[i], comms[i])
	}
	return err
}

// argsField reads a field of the arguments that a program was executed with.
func (r *row) argsField(name string) (err error) {
	r.e.Fields |= event.Args
	switch {
	case r.null():
	case name == "args_cut":
		r.cut, err = r.boolean()
	case name == "args_base64":
		var exact []byte
		if err = r.base64(&exact); err == nil {
			r.args = append(append(r.args[:0], exact...), 0)
		}
	default:
		err = r.array(func() error {
			arg, err := r.text()
			r.args = append(append(r.args, arg...), 0)
			return err
		})
	}
	return err
}

// address reads the address that stands for a name.
func (r *row) address(kind event.NameKind) error {
	text, err := r.text()
	if err != nil || len(text) < 3 || len(text) > 18 || string(text[:2]) != "0x" {
		return errSyntax
	}
	for _, c := range text[2:] {
		digit := unhex(c)
		if digit > 15 {
			return errSyntax
		}
		r.e.Address = r.e.Address<<4 | uint64(digit)
	}
	r.e.NameKind = kind
	return nil
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// flags reads the flags; they are null for what is executed, and where they could not be read.
func (r *row) flags() error {
	if r.null() {
		return nil
	}
	r.e.Fields |= event.Flags
	return r.unsignedTo(&r.e.Flags)
}
