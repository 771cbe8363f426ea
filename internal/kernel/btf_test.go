package kernel

import "testing"

func TestTracepointArguments(t *testing.T) {
	types, err := LoadTypes()
	if err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	// (struct pt_regs *regs, long id)
	if n, err := types.TracepointArguments("sys_enter"); n != 2 || err != nil {
		t.Errorf("%d arguments, %v", n, err)
	}
	if n, err := types.TracepointArguments("no_such_tracepoint"); err == nil {
		t.Errorf("%d arguments of one that is not there", n)
	}
}
