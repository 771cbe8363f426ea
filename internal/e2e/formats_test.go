package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// object is a row of -o json.
type object struct {
	Time       time.Time `json:"time"`
	Seconds    float64   `json:"seconds"`
	PID        int       `json:"pid"`
	TID        int       `json:"tid"`
	PPID       *int      `json:"ppid"`
	UID        *int      `json:"uid"`
	User       *string   `json:"user"`
	FD         *int      `json:"fd"`
	FixedFD    *int      `json:"fixed_fd"`
	Errno      *int      `json:"errno"`
	Error      *string   `json:"error"`
	Flags      *uint64   `json:"flags"`
	FlagNames  []string  `json:"flag_names"`
	Mode       *string   `json:"mode"`
	Comm       string    `json:"comm"`
	CommBase64 []byte    `json:"comm_base64"`
	File       *string   `json:"file"`
	FileBase64 []byte    `json:"file_base64"`
	BadAddress *string   `json:"bad_address"`
	Unread     *string   `json:"unread_address"`
	Handle     *string   `json:"handle_address"`
	Known      *string   `json:"file_known"`
	Problem    *string   `json:"file_problem"`
}

// bytes is the exact name.
func (o *object) bytes() string {
	if o.FileBase64 != nil {
		return string(o.FileBase64)
	}
	if o.File == nil {
		return "(none)"
	}
	return *o.File
}

// objects decodes rows and returns those of a process.
func objects(t *testing.T, lines []string, pid int) []object {
	t.Helper()
	var own []object
	for _, line := range lines {
		var o object
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if o.PID == pid {
			own = append(own, o)
		}
	}
	return own
}

// objectsOf has an opener open files, and returns the rows of a tracer of it alone, which has these
// arguments.
func objectsOf(t *testing.T, args []string, opener ...string) []object {
	t.Helper()
	w := prepare(t, opener...)
	tr := startBare(t, append([]string{"-o", "json", "-p", w.arg()}, args...)...)
	w.run()
	return objects(t, tr.rest(), w.pid())
}

func same[T any](t *testing.T, what string, got *T, want T) {
	t.Helper()
	if got == nil {
		t.Errorf("%s is null, want %v", what, want)
	} else if !reflect.DeepEqual(*got, want) {
		t.Errorf("%s is %v, want %v", what, *got, want)
	}
}

func TestJSON(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		dir := t.TempDir()
		before := time.Now()
		rows := objectsOf(t, []string{probe}, "flags", "0x80241", dir+"/new", "0", dir+"/missing", "0x400000", "/", "3", "/dev/null")
		if len(rows) != 5 {
			t.Fatalf("%d rows of 5 opens", len(rows))
		}
		for _, o := range rows {
			same(t, "ppid", o.PPID, os.Getpid())
			same(t, "uid", o.UID, 0)
			same(t, "user", o.User, "root")
			if o.TID != o.PID || o.Comm != openerComm || o.Seconds < 0 {
				t.Errorf("a row is %+v", o)
			}
			if late := o.Time.Sub(before); late < -time.Second || late > patience {
				t.Errorf("the time %v is %v off", o.Time, late)
			}
		}
		created, missing, unknown, odd := rows[0], rows[1], rows[2], rows[3]
		same(t, "fd", created.FD, 3)
		same(t, "errno", created.Errno, 0)
		same(t, "flags", created.Flags, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC)
		same(t, "mode", created.Mode, "0640")
		if created.Error != nil || !slices.Equal(created.FlagNames, []string{"O_WRONLY", "O_CREAT", "O_TRUNC", "O_CLOEXEC"}) {
			t.Errorf("the row of the new file is %+v", created)
		}
		same(t, "fd", missing.FD, -1)
		same(t, "errno", missing.Errno, 2)
		same(t, "error", missing.Error, "ENOENT")
		if missing.Mode != nil {
			t.Errorf("a mode without O_CREAT: %s", *missing.Mode)
		}
		// O_TMPFILE without O_DIRECTORY has no name.
		same(t, "flags", unknown.Flags, 0x400000)
		if !slices.Equal(unknown.FlagNames, []string{"O_RDONLY", "0x400000"}) {
			t.Errorf("the unknown flag comes as %q", unknown.FlagNames)
		}
		same(t, "flags", odd.Flags, 3)
	})
}

var hostile = []string{"", "a\nb", "\x1b[2J", "\xff\xfe\x00"[:2], `"quoted", and \ more`, " blanks ", "größe/文件", "a,b\r\nc", "\xed\xa0\x80", "\xf0\x9f\x98\x80", "half \xf0\x9f"}

func TestJSONKeepsAllBytes(t *testing.T) {
	columns := []string{"--columns", "pid,file,comm"}
	var got []string
	for _, o := range objectsOf(t, columns, append([]string{"names"}, hostile...)...) {
		got = append(got, o.bytes())
	}
	if want := append(slices.Clone(hostile), end); !slices.Equal(got, want) {
		t.Errorf("the names come as %q, want %q", got, want)
	}

	rows := objectsOf(t, columns, "comm", "\xff\n\"", "/tmp/comm")
	if len(rows) != 2 || string(rows[0].CommBase64) != "\xff\n\"" {
		t.Errorf("the comm comes as %+v", rows)
	}
	rows = objectsOf(t, nil, "bad")
	if len(rows) != 5 || rows[0].File != nil || rows[0].BadAddress == nil || *rows[0].BadAddress != "0x0" || *rows[0].Error != "EFAULT" {
		t.Errorf("a bad address comes as %+v", rows[0])
	}
}

// Two tracers of the same opens: what a program reads from either is the same.
func TestCSVHasTheSameValuesAsJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.csv")
	herd := prepare(t, append([]string{"names"}, hostile...)...)
	asJSON := startBare(t, "-p", herd.arg(), "-o", "json")
	asCSV := startBare(t, "-p", herd.arg(), "-o", "csv", "-w", path)
	herd.run()
	lines := asJSON.rest()
	asCSV.rest()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != len(lines)+1 || len(lines) != len(hostile)+1 {
		t.Fatalf("%d records and %d objects of %d opens", len(records)-1, len(lines), len(hostile)+1)
	}
	for i, line := range lines {
		var want map[string]any
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		for column, name := range records[0] {
			got := records[i+1][column]
			if name == "time" || name == "seconds" {
				continue // each tracer has its own
			}
			var text string
			switch v := want[name].(type) {
			case nil:
			case []any:
				var parts []string
				for _, part := range v {
					parts = append(parts, part.(string))
				}
				text = strings.Join(parts, "|")
			case json.Number:
				text = v.String()
			case string:
				// encoding/csv turns CR LF into LF, also in quotes.
				text = strings.ReplaceAll(v, "\r\n", "\n")
			}
			if got != text {
				t.Errorf("row %d has the %s %q in CSV, %q in JSON", i, name, got, text)
			}
		}
	}
}

func TestEveryColumn(t *testing.T) {
	w := prepare(t, "flags", "0x241", "/tmp/every-column", "0", "/tmp/no-such-file")
	tr := startBare(t, "-p", w.arg(), "--columns", "time,wall,tid,pid,ppid,uid,user,fd,err,flags,mode,comm,file")
	w.run()
	pid := w.pid()
	lines := tr.rest()
	if want := "TIME(s) TIME TID PID PPID UID USER FD ERR FLAGS MODE COMM FILE"; strings.Join(strings.Fields(lines[0]), " ") != want {
		t.Errorf("the header is %q", lines[0])
	}
	ids := strconv.Itoa(pid) + " +" + strconv.Itoa(pid) + " +" + strconv.Itoa(os.Getpid()) + " +0 +root"
	start := `^\d+\.\d{9} +\d\d:\d\d:\d\d\.\d{6} +` + ids
	for _, want := range []string{
		start + ` +3 0 +O_WRONLY\|O_CREAT\|O_TRUNC +0640 +` + openerComm + ` +/tmp/every-column$`,
		start + ` +-1 ENOENT +O_RDONLY +- +` + openerComm + ` +/tmp/no-such-file$`,
	} {
		if !slices.ContainsFunc(lines, regexp.MustCompile(want).MatchString) {
			t.Errorf("no row is like %s in\n%s", want, strings.Join(lines, "\n"))
		}
	}
}

func TestFlagsAddTheirColumns(t *testing.T) {
	for flag, want := range map[string]string{
		"-x":          "TIME(s) COMM PID ERR FILE",
		"-T":          "TIME(s) COMM PID FILE",
		"-U":          "TIME(s) UID COMM PID FILE",
		"-e":          "TIME(s) COMM PID FLAGS MODE FILE",
		"-fO_RDONLY":  "TIME(s) COMM PID FLAGS FILE",
		"-uroot":      "TIME(s) UID COMM PID FILE",
		"-t1":         "TIME(s) COMM PID TID FILE",
		"--path=/etc": "TIME(s) COMM PID FILE",
		"-nx":         "TIME(s) COMM PID FILE",
	} {
		r := runToEnd(t, exec.Command(opensnoop, flag, "-p", "1", "-d", "0.05"))
		if got := strings.Join(strings.Fields(r.stdout), " "); r.status != 0 || got != want {
			t.Errorf("%s: status %d, header %q, want %q", flag, r.status, got, want)
		}
	}
}

// On a terminal the header is dim and a failed open stands out, nowhere else.
func TestColour(t *testing.T) {
	r := runToEnd(t, exec.Command("script", "-qec", opensnoop+" --columns pid,err,file -c 1 -x -- cat /no/such/file", "/dev/null"))
	if !strings.Contains(r.stdout, "\x1b[2mPID") || !strings.Contains(r.stdout, "\x1b[31m") {
		t.Errorf("no colour on a terminal: %q", r.stdout)
	}
	for _, plain := range []string{"NO_COLOR=1 " + opensnoop, "TERM=dumb " + opensnoop, opensnoop + " --color never"} {
		r := runToEnd(t, exec.Command("script", "-qec", plain+" --columns pid,err,file -c 1 -x -- cat /no/such/file", "/dev/null"))
		if strings.Contains(r.stdout, "\x1b") || !strings.Contains(r.stdout, "ENOENT") {
			t.Errorf("%s: %q", plain, r.stdout)
		}
	}
	r = runToEnd(t, exec.Command(opensnoop, "-x", "--", "cat", "/no/such/file"))
	if strings.Contains(r.stdout, "\x1b") || !strings.Contains(r.stdout, "ENOENT") {
		t.Errorf("in a pipe: %q", r.stdout)
	}
}

// TZ may be a rule of POSIX. What it cannot be is told, once.
func TestTimeZones(t *testing.T) {
	for zone, want := range map[string]struct{ offset, told string }{
		"JST-9":    {`+09:00"`, ""},
		"No/Where": {`Z"`, "opensnoop: TZ=No/Where is no time zone here: times are in UTC\n"},
	} {
		cmd := exec.Command(opensnoop, "--columns", "wall", "-o", "json", "--", "true")
		cmd.Env = append(os.Environ(), "TZ="+zone)
		r := runToEnd(t, cmd)
		first, _, _ := strings.Cut(r.stdout, ",")
		if r.status != 0 || !strings.HasSuffix(first, want.offset) || strings.Count(r.stderr, "TZ=") != strings.Count(want.told, "TZ=") ||
			!strings.Contains(r.stderr, want.told) {
			t.Errorf("%s: status %d, row %q, stderr %q", zone, r.status, first, r.stderr)
		}
	}
}
