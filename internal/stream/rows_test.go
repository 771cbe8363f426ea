package stream

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"testing"
)

// quoted are rows of one quoted field each, as in CSV: with line breaks in them.
func quoted(fields [][]byte) []byte {
	var rows []byte
	for _, field := range fields {
		rows = append(rows, '"')
		rows = append(rows, bytes.ReplaceAll(field, []byte(`"`), []byte(`""`))...)
		rows = append(rows, "\"\r\n"...)
	}
	return rows
}

// endOfQuoted is a RowEnd for them.
func endOfQuoted(rows []byte) int {
	inside := false
	for i, c := range rows {
		switch {
		case c == '"':
			inside = !inside
		case c == '\n' && !inside:
			return i + 1
		}
	}
	return 0
}

// FuzzRows holds that whatever is written in which parts, all rows are either
// written whole or counted as dropped.
func FuzzRows(f *testing.F) {
	long := bytes.Repeat([]byte("x,\n"), 2000)
	f.Add([]byte("one\x00two\n,\x00\"three\""), []byte{0, 1, 2})
	f.Add(long, []byte{200, 255})
	f.Add(append([]byte("a\x00"), long...), []byte{0, 254, 3, 255})
	f.Add(bytes.Repeat([]byte("row\n\x00"), 3000), []byte{254, 1, 255})
	f.Fuzz(func(t *testing.T, text, parts []byte) {
		fields := bytes.Split(text, []byte{0})
		rows := quoted(fields)
		s := &Stream{o: Options{RowEnd: endOfQuoted}}
		var written []byte
		n, err := s.writeRows(rows, func(p []byte) (int, error) {
			if len(p) == 0 || len(p) > chunk {
				t.Fatalf("%d bytes are to be written at once", len(p))
			}
			size := len(p)
			if len(parts) > 0 {
				if parts[0] == 255 {
					return 0, nil
				}
				size = min(size, 1+16*int(parts[0]))
				parts = parts[1:]
			}
			written = append(written, p[:size]...)
			return size, nil
		})
		if n != len(rows) || err != nil {
			t.Errorf("Write returned %d of %d, %v", n, len(rows), err)
		}
		if !bytes.HasPrefix(rows, written) {
			t.Errorf("%q was written of %q", written, rows)
		}
		whole := 0
		for end := endOfQuoted(written); end > 0; end = endOfQuoted(written) {
			written = written[end:]
			whole++
		}
		if whole+int(s.Dropped()) != len(fields) {
			t.Errorf("%d rows written and %d dropped, of %d", whole, s.Dropped(), len(fields))
		}
	})
}

// A reader who takes a few bytes at a time gets rows longer than what is written at
// once, whatever is in them.
func TestReaderWhoTakesFewBytes(t *testing.T) {
	var fields [][]byte
	for i := range 20 {
		fields = append(fields, bytes.Repeat([]byte{byte('a' + i), ',', '"', '\n'}, 700*i))
	}
	rows := quoted(fields)
	forStdouts(t, func(t *testing.T, w, r *os.File) {
		s, end, _ := start(t, w)
		defer end()
		defer s.Close()
		s.o.RowEnd = endOfQuoted
		done := begin(s, rows)
		want := bytes.ReplaceAll(rows, []byte("\r"), nil)
		var got []byte
		for buf := make([]byte, 1777); len(got) < len(want); {
			eventually(t, "more to read", func() bool { return ready(r, 1) })
			n, err := r.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, bytes.ReplaceAll(buf[:n], []byte("\r"), nil)...)
		}
		if result := await(t, "the end of Write", done); result.err != nil || s.Dropped() != 0 {
			t.Errorf("%d rows dropped, %v", s.Dropped(), result.err)
		}
		if !bytes.Equal(got, want) {
			t.Error("other rows came out")
		}
	})
}

// A stdout that is closed is told from one that is /dev/null. The test runs itself
// with such ones.
func TestClosedStdout(t *testing.T) {
	if os.Getenv("STREAM_TEST") != "" {
		if err := CheckStdout(os.Stdout); err != nil {
			io.WriteString(os.Stderr, err.Error())
		}
		os.Exit(0)
	}
	for redirection, want := range map[string]string{
		">&-": errClosed.Error(), ">/dev/null": "", "1<>/dev/null": "", "": "",
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `exec "$0" -test.run=TestClosedStdout `+redirection, os.Args[0])
		cmd.Env = append(os.Environ(), "STREAM_TEST=1")
		cmd.WaitDelay = patience
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil || stderr.String() != want {
			t.Errorf("%q: %q, %v, want %q", redirection, stderr.String(), err, want)
		}
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := CheckStdout(file); err != nil {
		t.Errorf("a file: %v", err)
	}
}
