package kernel

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestAskTypes(t *testing.T) {
	file, err := os.Open(TypesFile)
	if err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	defer file.Close()
	for name, test := range map[string]struct {
		facts []Fact
		want  []string // a value of 0 may be any
		error string
	}{
		"nothing":     {},
		"tracepoint":  {[]Fact{{Macro: "N", Tracepoint: "sys_enter"}}, []string{"N=2"}, ""}, // (struct pt_regs *regs, long id)
		"function":    {[]Fact{{Macro: "N", Function: "vfs_read"}, {Macro: "M", Structure: "pt_regs"}}, nil, ""},
		"no function": {[]Fact{{Macro: "N", Function: "of_no_kernel"}}, nil, "the kernel's function of_no_kernel"},
		"member":      {[]Fact{{Macro: "PWD", Structure: "path", Members: []string{"dentry"}}}, []string{"PWD=8"}, ""},
		"of a member": {
			[]Fact{{Macro: "A", Structure: "fs_struct", Members: []string{"root", "mnt"}}, {Macro: "B", Structure: "fs_struct", Members: []string{"root"}}},
			nil, "",
		},
		"renamed":  {[]Fact{{Macro: "NAME", Structure: "dentry", Members: []string{"d_iname"}}}, nil, ""},
		"optional": {[]Fact{{Macro: "N", Structure: "task_struct", Members: []string{"of_no_kernel"}, Optional: true}}, []string{"N=-1"}, ""},
		"no member": {
			[]Fact{{Macro: "N", Structure: "task_struct", Members: []string{"of_no_kernel"}}}, nil,
			"looking for of_no_kernel in the kernel's struct task_struct",
		},
		"no structure":  {[]Fact{{Macro: "N", Structure: "of_no_kernel", Members: []string{"a"}}}, nil, "the kernel's struct of_no_kernel"},
		"no tracepoint": {[]Fact{{Macro: "N", Tracepoint: "of_no_kernel"}}, nil, "btf_trace_of_no_kernel"},
	} {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got, numbers, err := AskTypes([]*os.File{file}, test.facts, []string{"vfs_read", "of_no_kernel"})
		if (err != nil) != (test.error != "") || err != nil && !strings.Contains(err.Error(), test.error) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && numbers["vfs_read"] == 0 || numbers["of_no_kernel"] != 0 {
			t.Errorf("%s: functions %v", name, numbers)
		}
		if test.want != nil && !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if test.error == "" && test.want == nil && len(got) != len(test.facts) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A file that describes nothing is of use only to those who do without.
func TestAskNoTypes(t *testing.T) {
	facts := []Fact{{Macro: "N", Structure: "path", Members: []string{"mnt"}, Optional: true}}
	if got, _, err := AskTypes([]*os.File{nil}, facts, []string{"vfs_read"}); !slices.Equal(got, []string{"N=-1"}) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	facts[0].Optional = false
	if got, _, err := AskTypes([]*os.File{nil}, facts, nil); err == nil {
		t.Errorf("%q without an error", got)
	}
}
