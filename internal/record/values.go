package record

import "opensnoop/internal/event"

// loginUID reads who logged in; null is nobody.
func (r *row) loginUID() error {
	r.e.Login = event.NoLogin
	r.e.Fields |= event.Login
	return r.number32(&r.e.Login, event.Login)
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
