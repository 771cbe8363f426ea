package e2e

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// streamLine is any line of --stream.
type streamLine struct {
	Record   string            `json:"record"`
	Run      string            `json:"run"`
	Rows     uint64            `json:"rows"`
	Lost     map[string]uint64 `json:"lost"`
	Doubtful uint64            `json:"doubtful"`
	Probe    string            `json:"probe"`
	Version  string            `json:"version"`
	Filters  []string          `json:"filters"`
	Seq      *uint64           `json:"seq"`
	File     string            `json:"file"`
}

// What a reader gets adds up to the opens that happened: rows, gaps in their numbers, and lost ones.
// A buffer of one page under a flood loses some.
func TestStreamAddsUp(t *testing.T) {
	const opens = 200_000
	tr := startBare(t, "-o", "json", "--stream", "-b", "1", "-n", openerComm)
	open(t, "flood", "200000", floodFile)
	var lines []streamLine
	for _, text := range tr.rest() {
		var line streamLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		lines = append(lines, line)
	}
	first, last := lines[0], lines[len(lines)-1]
	if first.Record != "start" || first.Rows != 0 || first.Run == "" || first.Probe == "" || first.Version == "" || len(first.Filters) != 1 {
		t.Errorf("the first line is %+v", first)
	}
	if last.Record != "end" || last.Run != first.Run {
		t.Errorf("the last line is %+v, of the run %s", last, first.Run)
	}
	var rows uint64
	var lost uint64
	for _, line := range lines {
		switch {
		case line.Seq == nil && line.Record == "":
			t.Fatalf("a line is neither a row nor a record: %+v", line)
		case line.Seq == nil && line.Rows != rows:
			t.Errorf("a record tells of %d rows, there were %d: %+v", line.Rows, rows, line)
		case line.Seq != nil && *line.Seq != rows:
			t.Fatalf("a row has the number %d, there were %d", *line.Seq, rows)
		case line.Seq != nil:
			rows++
		}
	}
	for _, n := range last.Lost {
		lost += n
	}
	// What the opener opens besides: its end marker.
	if all := rows + lost; all > opens+1 || all+last.Doubtful < opens+1 {
		t.Errorf("%d rows, %d lost and up to %d more of %d opens", rows, lost, last.Doubtful, opens+1)
	}
	t.Logf("%d rows, %d lost, %d lines", rows, lost, len(lines))
}

func TestStreamIsJSON(t *testing.T) {
	wantError(t, runToEnd(t, exec.Command(opensnoop, "--stream")), 2, "-o json")
}
