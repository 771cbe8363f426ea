package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// units writes a C project of so many units, each with its own choice of headers, and a Makefile.
func units(t *testing.T, dir string, n int) {
	t.Helper()
	headers := strings.Fields("stdio.h stdlib.h string.h errno.h unistd.h sys/types.h sys/stat.h fcntl.h time.h signal.h math.h limits.h ctype.h " +
		"stdint.h inttypes.h pthread.h sys/socket.h netinet/in.h dirent.h locale.h")
	files := map[string]string{"own.h": "#include \"sub/../sub/of.h\"\n", "sub/of.h": "int of(int);\n", "Makefile": "prog.a: $(patsubst %.c,%.o,$(wildcard unit*.c))\n\tar rcs $@ $^\n"}
	for i := range n {
		var b strings.Builder
		for h, header := range headers {
			if (h+i)%3 > 0 {
				fmt.Fprintf(&b, "#include <%s>\n", header)
			}
		}
		if i%4 == 0 {
			fmt.Fprintf(&b, "#include \"own.h\"\n")
		}
		files[fmt.Sprintf("unit%d.c", i)] = b.String() + fmt.Sprintf("int unit%d(void) { return %d; }\n", i, i)
	}
	writeFiles(t, dir, files)
}

// A recording of a make takes at most 30 bytes a row.
func TestRecordingIsSmall(t *testing.T) {
	notInGuests(t)
	dir := t.TempDir()
	units(t, dir, 40)
	recording := filepath.Join(dir, "make.osn")
	if r := ask(t, dir, "record", "-b", "4096", recording, "--", "make", "-s", "-j2"); r.status != 0 {
		t.Fatalf("record: %s", r.stderr)
	}
	st, err := os.Stat(recording)
	if err != nil {
		t.Fatal(err)
	}
	again := runToEnd(t, exec.Command(opensnoop, "replay", recording, "-o", "json"))
	rows := int64(strings.Count(again.stdout, "\n"))
	if again.status != 0 || rows < 10000 || st.Size() > 30*rows {
		t.Errorf("status %d, %s: %d bytes for %d rows", again.status, again.stderr, st.Size(), rows)
	}
	t.Logf("%.1f bytes a row, of %d", float64(st.Size())/float64(rows), rows)
}
