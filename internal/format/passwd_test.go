package format

import (
	"strconv"
	"strings"
	"testing"
)

func TestPasswd(t *testing.T) {
	const file = "root:x:0:0:root:/root:/bin/bash\n" +
		"# a comment:x:7:7::/:\n" +
		"+nis:x:7:7::/:\n-nis:x:7:7::/:\n+\n\n:x:7:7::/:\n" +
		"no number:x::7::/:\nsigned:x:+7:7::/:\nlarge:x:4294967303:7::/:\nshort:x:7\n" +
		"seven:x:7:7::/:/bin/sh\nagain:x:7:7::/:\n" +
		"huge:x:4294967294:0::/:"
	long := strings.Repeat("x", 3*lineMax)
	for _, text := range []string{file, long + "\n" + file, long + ":x:7:7::/:\n" + file, file + "\n" + long} {
		for uid, want := range map[uint32]string{0: "root", 7: "seven", 8: "", 4294967294: "huge"} {
			if got := nameIn(strings.NewReader(text), uid); got != want {
				t.Errorf("%d is %q, want %q", uid, got, want)
			}
		}
	}
}

// FuzzPasswd compares with a slow and simple way to read such a file.
func FuzzPasswd(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/bash\nme:x:1000:1000::/:\r\n", uint32(1000))
	f.Add("+:x:1:\n\n::1:\na:b:1", uint32(1))
	f.Add(strings.Repeat("x", lineMax)+":x:1:1\nname:x:1:1:", uint32(1))
	f.Fuzz(func(t *testing.T, text string, uid uint32) {
		want := ""
		for _, line := range strings.Split(text, "\n") {
			fields := strings.SplitN(strings.TrimSuffix(line, "\r"), ":", 4)
			if len(line) >= lineMax-1 || len(fields) < 4 || strings.TrimLeft(fields[0], "+-#") != fields[0] || fields[0] == "" {
				continue
			}
			if id, err := strconv.ParseUint(fields[2], 10, 32); err == nil && uint32(id) == uid {
				want = fields[0]
				break
			}
		}
		if got := nameIn(strings.NewReader(text), uid); got != want && !strings.Contains(text, "\r") && longest(text) < lineMax-1 {
			t.Errorf("%d is %q, want %q", uid, got, want)
		} else if strings.ContainsAny(got, ":\n") || len(got) > lineMax {
			t.Errorf("%d is %q", uid, got)
		}
	})
}

func longest(text string) (n int) {
	for line := range strings.Lines(text) {
		n = max(n, len(line))
	}
	return n
}
