package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"opensnoop/internal/event"
)

const testStart = `{"record":"start","run":"r","time":"2026-11-30T12:00:00Z","rows":0,"format":1,"version":"v","lost":{},"doubtful":0}` + "\n"

const testRow = `{"seq":%d,"time":"2026-11-30T12:00:01.000000001Z","seconds":1.000000001,"pid":26435,"tid":26436,"ppid":26427,` +
	`"uid":1000,"user":"anna","fd":-1,"errno":2,"error":"ENOENT","flags":524288,"flag_names":["O_RDONLY","O_CLOEXEC"],"mode":null,` +
	`"comm":"ls","process":"ls","pcomm":"bash","args":["ls","-l"],"depth":0,"container":null,"path":"/etc/ld.so.cache",` +
	`"realpath":null,"exe":"/usr/bin/ls","dev":null,"inode":null,"created":null,"file":"/etc/ld.so.cache"}` + "\n"

func testRecording(rows int) []byte {
	var b bytes.Buffer
	b.WriteString(testStart)
	for i := range rows {
		fmt.Fprintf(&b, testRow, i)
	}
	return b.Bytes()
}

func TestRead(t *testing.T) {
	in, err := NewReader(bytes.NewReader(testRecording(2)))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var e event.Event
	if err := in.Next(&e); err != nil {
		t.Fatal(err)
	}
	if e.TGID != 26435 || e.TID != 26436 || e.PPID != 26427 || e.UID != 1000 || e.Result != -2 || e.Flags != 524288 ||
		string(e.User) != "anna" || string(e.Comm) != "ls" || string(e.Args) != "ls\x00-l\x00" || string(e.Path.Known) != "/etc/ld.so.cache" ||
		e.Real.Problem != event.PathNone || string(e.Name) != "/etc/ld.so.cache" || e.Time != 1000000001 || e.Container != event.Host {
		t.Errorf("got %+v", e)
	}
	if got := in.Boot().Format("15:04:05.000000000"); got != "12:00:00.000000000" {
		t.Errorf("the clock began at %s", got)
	}
	if err := in.Next(&e); err != nil {
		t.Fatal(err)
	}
	if err := in.Next(&e); err != io.EOF || in.Ended() || in.Rows() != 2 {
		t.Errorf("at the end: %v, ended %v, %d rows", err, in.Ended(), in.Rows())
	}
}

func TestGaps(t *testing.T) {
	control := func(kind string, rows int, lost int) string {
		return fmt.Sprintf(`{"record":%q,"run":"r","time":"2026-11-30T12:00:00Z","rows":%d,"lost":{"buffer":%d},"doubtful":1}`+"\n", kind, rows, lost)
	}
	text := testStart + fmt.Sprintf(testRow, 1) + fmt.Sprintf(testRow, 4) + control("lost", 5, 7) + control("end", 8, 9)
	in, err := NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var e event.Event
	for err == nil {
		err = in.Next(&e)
	}
	// 0; 2 and 3; 5 to 7.
	lost, doubtful := in.Lost()
	if err != io.EOF || in.Gaps() != 6 || lost != 9 || doubtful != 1 || !in.Ended() {
		t.Errorf("%v: %d gaps, lost %d and %d, ended %v", err, in.Gaps(), lost, doubtful, in.Ended())
	}
}

// Of recordings one behind the other, losses add up, and each has to have its end.
func TestOneBehindTheOther(t *testing.T) {
	one := func(run string, lost int, ended bool) string {
		text := strings.Replace(testStart, `"run":"r"`, fmt.Sprintf(`"run":%q`, run), 1) + fmt.Sprintf(testRow, 0)
		if ended {
			text += fmt.Sprintf(`{"record":"end","run":%q,"time":"2026-11-30T12:00:00Z","rows":1,"lost":{"buffer":%d},"doubtful":1}`+"\n", run, lost)
		}
		return text
	}
	for text, ended := range map[string]bool{one("a", 3, true) + one("b", 4, true): true, one("c", 0, false) + one("d", 7, true): false} {
		in, err := NewReader(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		var e event.Event
		for err == nil {
			err = in.Next(&e)
		}
		lost, _ := in.Lost()
		rows, cut := in.Cut()
		if err != io.EOF || in.Rows() != 2 || in.Gaps() != 0 || lost != 7 || in.Ended() != ended || cut == ended || cut && rows != 1 {
			t.Errorf("%v: %d rows, %d gaps, lost %d, ended %v, cut %v behind %d, of\n%s", err, in.Rows(), in.Gaps(), lost, in.Ended(), cut, rows, text)
		}
	}
}

// However many recordings stand one behind the other, each with causes of its own, a sum is kept of them.
func TestVeryManyOneBehindTheOther(t *testing.T) {
	const n = 20_000
	var text strings.Builder
	for run := range n {
		fmt.Fprintf(&text, strings.Replace(testStart, `"run":"r"`, `"run":"%d"`, 1), run)
		fmt.Fprintf(&text, `{"record":"end","run":"%[1]d","time":"2026-11-30T12:00:00Z","rows":0,"lost":{"%[1]d":1},"doubtful":1}`+"\n", run)
	}
	began := time.Now()
	in, err := NewReader(strings.NewReader(text.String()))
	var e event.Event
	for err == nil {
		err = in.Next(&e)
	}
	lost, doubtful := in.Lost()
	if took := time.Since(began); err != io.EOF || lost != n || doubtful != n || !in.Ended() || took > 10*time.Second {
		t.Errorf("%v: lost %d and %d, ended %v, after %v", err, lost, doubtful, in.Ended(), took)
	}
}

// What is no recording, or a part of one, is an error that says where.
func TestDamaged(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":       {"", "it is empty"},
		"a table":     {"TIME(s)            COMM             PID    FILE\n", "does not begin with a start record"},
		"no start":    {fmt.Sprintf(testRow, 0), "does not begin with a start record"},
		"newer":       {strings.Replace(testStart, `"format":1`, `"format":2`, 1), "of the format 2"},
		"cut":         {testStart + fmt.Sprintf(testRow, 0) + `{"seq":1,"ti`, "damaged: it is cut short in line 3, behind 1 rows"},
		"no lines":    {strings.Repeat("\x00", 2*lineMax), "does not begin with a start record"},
		"an end":      {testStart + `{"record":"end","time":7}` + "\n", "in line 2, behind 0 rows: not a line"},
		"two objects": {testStart + `{"seq":0}{}` + "\n", "in line 2"},
		"long":        {testStart + strings.Repeat("x", lineMax+1) + "\n", "more than 1048576 bytes"},
		"deep":        {testStart + `{"new":` + strings.Repeat("[", 1000) + "\n", "in line 2"},
		"number":      {testStart + `{"pid":99999999999}` + "\n", "in line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			in, err := NewReader(strings.NewReader(test.text))
			var e event.Event
			for err == nil {
				err = in.Next(&e)
			}
			if err == io.EOF || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func compress(t testing.TB, fill func(w io.Writer)) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	fill(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A small file that unpacks to very much ends with a message.
func TestBomb(t *testing.T) {
	for name, line := range map[string]string{"one line": strings.Repeat("0", 1<<10), "empty rows": "{}\n", "the same row": fmt.Sprintf(testRow, 1)} {
		packed := compress(t, func(w io.Writer) {
			io.WriteString(w, testStart)
			block := []byte(strings.Repeat(line, 1<<20/len(line)))
			for range 200 {
				w.Write(block)
			}
		})
		in, err := NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		var e event.Event
		for err == nil {
			err = in.Next(&e)
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		in.Close()
	}
}

func TestCompressed(t *testing.T) {
	packed := compress(t, func(w io.Writer) { w.Write(testRecording(1000)) })
	in, err := NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var e event.Event
	for err == nil {
		err = in.Next(&e)
	}
	if err != io.EOF || in.Rows() != 1000 {
		t.Errorf("%d rows, then %v", in.Rows(), err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(testRecording(1))
	f.Add([]byte(testStart + `{"fixed_fd":3,"errno":0,"path_problem":"tmpfs","path_known":"\ud83d\ude00","args":["a",""],"args_cut":true}` + "\n"))
	f.Add([]byte(testStart + `{"file":null,"bad_address":"0x7f","container":{"id":"a","name":null},"comm_base64":"/w==","dev":"8:1"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := NewReader(bytes.NewReader(data))
		if err != nil {
			return
		}
		defer in.Close()
		var e event.Event
		for err == nil {
			err = in.Next(&e)
		}
		if err != io.EOF && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	data := testRecording(10000)
	b.ReportAllocs()
	for b.Loop() {
		in, err := NewReader(bytes.NewReader(data))
		var e event.Event
		for err == nil {
			err = in.Next(&e)
		}
		if in.Rows() != 10000 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10000, "ns/row")
}
