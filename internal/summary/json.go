package summary

import (
	"encoding/json"
	"io"
	"math"
	"unicode/utf8"

	"opensnoop/internal/event"
	"opensnoop/internal/format"
)

// The object that WriteJSON writes. Failed and Unknown are only there where
// results are counted.
type summaryJSON struct {
	countsJSON
	Unknown        *uint64       `json:"unknown_results,omitempty"`
	Files          []fileJSON    `json:"files"`
	OtherFiles     countsJSON    `json:"other_files"`
	Processes      []processJSON `json:"processes"`
	OtherProcesses countsJSON    `json:"other_processes"`
}

type countsJSON struct {
	Opens  uint64  `json:"opens"`
	Failed *uint64 `json:"failed,omitempty"`
	Share  float64 `json:"share"` // of all opens, 0 to 1, to four digits
}

type fileJSON struct {
	File    json.RawMessage `json:"file"` // null if it could not be read
	Base64  []byte          `json:"file_base64,omitempty"`
	Bad     bool            `json:"bad_address,omitempty"`
	Unread  bool            `json:"unread_address,omitempty"`
	Handle  bool            `json:"file_handle,omitempty"`
	AtLeast bool            `json:"at_least,omitempty"`
	countsJSON
}

type processJSON struct {
	PID     uint32          `json:"pid"`
	Comm    json.RawMessage `json:"comm"`
	Base64  []byte          `json:"comm_base64,omitempty"`
	AtLeast bool            `json:"at_least,omitempty"`
	countsJSON
}

// WriteJSON writes what WriteTable does as one object on a line, with one Write.
// Strings are as in format's JSON.
func (s *Summary) WriteJSON(w io.Writer) error {
	object := summaryJSON{
		countsJSON: s.countsJSON(s.total),
		Files:      []fileJSON{},
		Processes:  []processJSON{},
	}
	if s.o.Results {
		object.Unknown = &s.unknown
	}
	files, others := s.top(&s.files)
	object.OtherFiles = s.countsJSON(others)
	for _, e := range files {
		kind, name := e.file()
		file := fileJSON{
			Bad:        kind == event.NameBad,
			Unread:     kind == event.NameUnseen,
			Handle:     kind == event.NameHandle,
			AtLeast:    e.atLeast,
			countsJSON: s.countsJSON(e.counts),
		}
		if kind == event.NameRead {
			file.File, file.Base64 = textJSON(name)
		}
		object.Files = append(object.Files, file)
	}
	processes, others := s.top(&s.processes)
	object.OtherProcesses = s.countsJSON(others)
	for _, e := range processes {
		process := processJSON{PID: e.pid(), AtLeast: e.atLeast, countsJSON: s.countsJSON(e.counts)}
		process.Comm, process.Base64 = textJSON(e.comm)
		object.Processes = append(object.Processes, process)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(object)
}

func (s *Summary) countsJSON(c counts) countsJSON {
	object := countsJSON{Opens: c.opens, Share: math.Round(s.share(c)*1e4) / 1e4}
	if s.o.Results {
		object.Failed = &c.failed
	}
	return object
}

// textJSON returns text as a JSON string, and its bytes if that is not exact.
func textJSON(text []byte) (quoted json.RawMessage, exact []byte) {
	if !utf8.Valid(text) {
		exact = text
	}
	return format.AppendJSON(nil, text), exact
}
