package guest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	var all []byte
	for b := 1; b < 256; b++ {
		all = append(all, byte(b))
	}
	for _, s := range []string{"", "plain", "it's", "'", "''", "a b\n\tc\n", "$HOME `x` \"y\" \\", "-n", string(all)} {
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+quote(s)+"x").Output()
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if string(out) != s+"x" {
			t.Errorf("%q came back as %q", s, out)
		}
	}
}

// The script is run here as the guest would, in the folder it asks for.
func TestCommandScript(t *testing.T) {
	script, err := commandScript(Config{
		Command: []string{"/bin/sh", "-c", `pwd; env | sort; printf '<%s>' "$@"`, "sh", "it's", "", "a=b\n"},
		Dir:     "/usr/bin",
		Env:     []string{"A=1 '2'", "B=x=y"},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/bin/sh", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := string(out)
	for _, want := range []string{"/usr/bin\n", "A=1 '2'\n", "B=x=y\n", "<it's><><a=b\n>"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "HOME=") {
		t.Errorf("the environment has more than was asked for:\n%s", got)
	}
}

func TestCommandScriptRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no command":      {},
		"relative folder": {Command: []string{"true"}, Dir: "here"},
		"zero byte":       {Command: []string{"echo", "a\x00b"}},
		"no variable":     {Command: []string{"true"}, Env: []string{"A"}},
	} {
		if script, err := commandScript(c); err == nil {
			t.Errorf("%s: no error, but %q", name, script)
		}
	}
}

func TestParseDepends(t *testing.T) {
	tests := map[string]struct {
		out  string
		want []string // nil: an error
	}{
		"plain":       {"insmod /k/virtio.ko \ninsmod /k/9p.ko \n", []string{"/k/virtio.ko", "/k/9p.ko"}},
		"compressed":  {"insmod /k/a.ko.xz \ninsmod /k/b.ko.zst\ninsmod /k/c.ko.gz\n", []string{"/k/a.ko.xz", "/k/b.ko.zst", "/k/c.ko.gz"}},
		"built in":    {"builtin virtio_pci\ninsmod /k/9p.ko \n", []string{"/k/9p.ko"}},
		"parameters":  {"insmod /k/9p.ko debug=1 path=x.ko\n", []string{"/k/9p.ko"}},
		"blanks":      {"insmod /my kernels/9p.ko \n", []string{"/my kernels/9p.ko"}},
		"nothing":     {"\n", []string{}},
		"unknown":     {"install /bin/true\n", nil},
		"no module":   {"insmod /k/9p\n", nil},
		"only a verb": {"insmod\n", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseDepends(test.out)
			if (err != nil) != (test.want == nil) {
				t.Fatalf("error %v", err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestFindKernel(t *testing.T) {
	tests := map[string]struct {
		files   []string
		release string // "": an error
		image   string
	}{
		"image in boot": {
			[]string{"boot/vmlinuz-6.1.0-56-amd64", "lib/modules/6.1.0-56-amd64/modules.dep"},
			"6.1.0-56-amd64", "boot/vmlinuz-6.1.0-56-amd64",
		},
		"image with the modules": {
			[]string{"usr/lib/modules/7.3.4+deb13-amd64/vmlinuz"},
			"7.3.4+deb13-amd64", "usr/lib/modules/7.3.4+deb13-amd64/vmlinuz",
		},
		"in both places": {
			[]string{"lib/modules/7.3.4/vmlinuz", "usr/lib/modules/7.3.4/vmlinuz"},
			"7.3.4", "lib/modules/7.3.4/vmlinuz",
		},
		"two kernels": {[]string{"lib/modules/1/vmlinuz", "lib/modules/2/vmlinuz"}, "", ""},
		"no image":    {[]string{"lib/modules/1/modules.dep"}, "", ""},
		"other image": {[]string{"boot/vmlinuz-2", "lib/modules/1/modules.dep"}, "", ""},
		"nothing":     {nil, "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for _, file := range test.files {
				path := filepath.Join(folder, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			k, err := findKernel(folder)
			if (err != nil) != (test.release == "") {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				return
			}
			if k.release != test.release || k.image != filepath.Join(folder, test.image) {
				t.Errorf("got %q at %q, want %q at %q", k.release, k.image, test.release, test.image)
			}
		})
	}
}

func TestControl(t *testing.T) {
	tests := map[string]struct {
		said string
		want string
	}{
		"a run":             {"up\nstatus 3\n", "up, status 3"},
		"carriage returns":  {"up\r\nstatus 0\r\n", "up, status 0"},
		"down early":        {"up\n", "up"},
		"failed":            {"up\nfail the overlay does not mount\n", "up, failed: the overlay does not mount"},
		"no line end":       {"up\nstatus 255", "up, status 255"},
		"nonsense":          {"\x00\xff\nstatus\nstatus x\nstatus 256\nstatus -1\n", ""},
		"a very long line":  {"up\n" + strings.Repeat("x", 1<<17) + "\nstatus 1\n", "up"},
		"nothing whatever":  {"", ""},
		"status with blank": {"up\nstatus 1 \n", "up, status 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			var c control
			c.onUp = func() { got = append(got, "up") }
			c.onStatus = func() { got = append(got, "status "+strconv.Itoa(c.status)) }
			port := strings.NewReader(test.said)
			c.read(port)
			if c.failure != "" {
				got = append(got, "failed: "+c.failure)
			}
			if s := strings.Join(got, ", "); s != test.want {
				t.Errorf("got %q, want %q", s, test.want)
			}
			if port.Len() != 0 {
				t.Errorf("%d bytes left unread", port.Len())
			}
		})
	}
}

func TestHasVirtualization(t *testing.T) {
	for cpuinfo, want := range map[string]bool{
		"flags\t\t: fpu vmx de\n":                          true,
		"model name\t: x\nflags\t\t: fpu svm\n":            true,
		"flags\t\t: fpu de\nvmx flags\t: ept\n":            false,
		"flags\t\t: fpu svm_lock\nmodel name\t: vmx svm\n": false,
		"": false,
	} {
		if got := hasVirtualization(cpuinfo); got != want {
			t.Errorf("%q: %v", cpuinfo, got)
		}
	}
}

func TestTail(t *testing.T) {
	tail := &tail{limit: 12}
	for _, s := range []string{"one\r\n", "two\r\nthr", "ee\r\nfour\r\n"} {
		if n, err := tail.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if got := tail.text(); got != "four" {
		t.Errorf("kept %q", got)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestCopyPortReadsOnPastAFailedWriter(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	port := strings.NewReader("some output")
	copyPort(port, full{}, nil, cancel)
	var refused *writeError
	if !errors.As(context.Cause(ctx), &refused) {
		t.Errorf("ended with %v", context.Cause(ctx))
	}
	if port.Len() != 0 {
		t.Errorf("%d bytes left unread", port.Len())
	}
}
