package event

import "testing"

// What is done goes through a record, and by its name.
func TestOp(t *testing.T) {
	for _, op := range []string{"open", "exec", "stat", "access", "readlink"} {
		var e, decoded, named Event
		e.SetOp([]byte(op))
		e.Fields, e.Result = Result, 22
		if err := decoded.Decode(e.Append(nil)); err != nil {
			t.Fatal(err)
		}
		named.SetOp([]byte(decoded.Op()))
		if decoded.Op() != op || named.Exec != e.Exec || named.Lookup != e.Lookup {
			t.Errorf("%s becomes %s, and %+v", op, decoded.Op(), named)
		}
		// What readlink returns is a length.
		if want := map[bool]int32{true: 0, false: 22}[e.Lookup != NoLookup]; decoded.Result != want {
			t.Errorf("%s: the result is %d, want %d", op, decoded.Result, want)
		}
	}
}
