package compare

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"opensnoop/internal/event"
	"opensnoop/internal/record"
)

// rowsMax is how many rows a page holds.
const rowsMax = 100_000

//go:embed page.html
var pageHTML string

// Page is what a page in a browser shows of a recording.
type Page struct {
	Title     string            `json:"title"`
	Facts     map[string]string `json:"facts"`
	Programs  []string          `json:"programs"`
	Processes []process         `json:"processes"`
	Folders   []string          `json:"folders"`
	Names     []string          `json:"names"` // of files in them
	Outcomes  []string          `json:"outcomes"`

	// Rows are of five numbers each: time in µs since the first, then places in Processes, Folders,
	// Names and Outcomes.
	Rows [][5]int64 `json:"rows"`
	Left uint64     `json:"left"` // rows that are not among them

	places map[string]map[string]int64 // of texts, by the list
	pids   map[processKey]int64
}

// process is one that opened files, running one program.
type process struct {
	PID     uint32 `json:"pid"`
	Parent  uint32 `json:"parent"`
	Program int64  `json:"program"`
	Comm    string `json:"comm"`
}

type processKey struct {
	pid     uint32
	program string
}

// NewPage returns an empty page of a recording.
func NewPage(start record.Start) *Page {
	p := &Page{
		Title: "opens", Facts: map[string]string{"host": start.Host, "kernel": start.Kernel, "probe": start.Probe, "opensnoop": start.Version},
		places: map[string]map[string]int64{}, pids: map[processKey]int64{},
	}
	if len(start.Command) > 0 {
		p.Title = strings.Join(start.Command, " ")
		p.Facts["folder"] = start.Cwd
	}
	return p
}

// Add adds a row. first is the time of the first one.
func (p *Page) Add(e *event.Event, first uint64) {
	if len(p.Rows) == rowsMax {
		p.Left++
		return
	}
	folder, name := filepath.Split(valid(string(path(e))))
	p.Rows = append(p.Rows, [5]int64{
		int64(e.Time-first) / 1000, p.process(e),
		p.place("folder", &p.Folders, folder), p.place("name", &p.Names, name), p.place("outcome", &p.Outcomes, outcome(e)),
	})
}

// place returns where a text is in a list, and adds it if it is not there yet.
func (p *Page) place(kind string, list *[]string, text string) int64 {
	known := p.places[kind]
	if known == nil {
		known = map[string]int64{}
		p.places[kind] = known
	}
	at, ok := known[text]
	if !ok {
		at = int64(len(*list))
		text = strings.Clone(text)
		known[text] = at
		*list = append(*list, text)
	}
	return at
}

// process returns where the event's process is in the list.
func (p *Page) process(e *event.Event) int64 {
	k := processKey{e.TGID, valid(string(program(e)))}
	at, ok := p.pids[k]
	if !ok {
		at = int64(len(p.Processes))
		p.pids[k] = at
		p.Processes = append(p.Processes, process{
			PID: e.TGID, Parent: e.PPID, Program: p.place("program", &p.Programs, k.program), Comm: valid(string(e.Comm)),
		})
	}
	return at
}

// valid is a text as JSON can hold it.
func valid(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

// Write writes the page: one file, which loads nothing else.
func (p *Page) Write(w io.Writer) error {
	data, err := json.Marshal(p) // with no < that could end the script
	if err != nil {
		return err
	}
	before, after, ok := strings.Cut(pageHTML, "DATA")
	if !ok {
		return fmt.Errorf("page.html has no place for the data")
	}
	out := bufio.NewWriter(w)
	out.WriteString(before)
	out.Write(data)
	out.WriteString(after)
	return out.Flush()
}
