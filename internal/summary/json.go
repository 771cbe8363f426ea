package summary

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
	"unicode/utf8"

	"opensnoop/internal/format"
)

// countsJSON is the counts of anything. Failed is only there where results are counted.
type countsJSON struct {
	Opens  uint64  `json:"opens"`
	Failed *uint64 `json:"failed,omitempty"`
	Took   *uint64 `json:"took_ns,omitempty"` // only if it is asked for
	Max    *uint64 `json:"max_ns,omitempty"`  // the same, where it is known
	Share  float64 `json:"share"`             // of all opens, 0 to 1, to four digits
}

// rowJSON is what each row has.
type rowJSON struct {
	AtLeast bool `json:"at_least,omitempty"`
	countsJSON
}

type fileJSON struct {
	File   json.RawMessage `json:"file"` // null if it could not be read
	Base64 []byte          `json:"file_base64,omitempty"`

	// Of one whose path is not known exactly, in place of the first.
	Known       json.RawMessage `json:"file_known,omitempty"`
	KnownBase64 []byte          `json:"file_known_base64,omitempty"`
	Problem     string          `json:"file_problem,omitempty"`

	Bad    bool `json:"bad_address,omitempty"`
	Unread bool `json:"unread_address,omitempty"`
	Handle bool `json:"file_handle,omitempty"`
	rowJSON
}

type processJSON struct {
	PID    uint32          `json:"pid"`
	Comm   json.RawMessage `json:"comm"`
	Base64 []byte          `json:"comm_base64,omitempty"`
	rowJSON
}

type programJSON struct {
	Program json.RawMessage `json:"program"` // null if it is not known exactly
	Base64  []byte          `json:"program_base64,omitempty"`
	Known   json.RawMessage `json:"program_known,omitempty"`
	Problem string          `json:"program_problem,omitempty"`
	rowJSON
}

type userJSON struct {
	UID  uint32          `json:"uid"`
	User json.RawMessage `json:"user"` // null if it has no name
	rowJSON
}

type containerJSON struct {
	Container json.RawMessage `json:"container"` // null for none
	Problem   string          `json:"container_problem,omitempty"`
	rowJSON
}

// Period is the time that a summary is of.
type Period struct {
	End    time.Time
	Length time.Duration
	Lost   uint64 // opens that were lost in it and are not in the summary
}

// totalJSON is what a summary begins with.
type totalJSON struct {
	Time    string  `json:"time"`    // the period's end
	Seconds float64 `json:"seconds"` // its length, to milliseconds
	Lost    uint64  `json:"lost"`
	countsJSON
}

// WriteJSON writes what writeTable does as one object on a line, with one Write. begin, if not
// nil, appends the object's first fields. Strings are as in format's JSON.
func (s *Summary) WriteJSON(w io.Writer, p Period, begin func(b []byte) []byte) error {
	var b bytes.Buffer
	b.WriteByte('{')
	if begin != nil {
		b.Write(begin(nil))
	}
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	total, err := json.Marshal(totalJSON{
		p.End.Format(time.RFC3339Nano), p.Length.Round(time.Millisecond).Seconds(), p.Lost, s.countsJSON(s.total),
	})
	b.Write(total[1 : len(total)-1]) // more comes
	add := func(name string, value any) {
		fmt.Fprintf(&b, `,"%s":`, name)
		err = errors.Join(err, encoder.Encode(value))
		b.Truncate(b.Len() - len("\n"))
	}
	if s.o.Results {
		add("unknown_results", s.unknown)
	}
	for i, by := range s.o.By {
		shown, others := s.top(i)
		rows := []any{}
		for _, t := range shown {
			rows = append(rows, by.object(t, rowJSON{t.atLeast, s.countsJSON(t.counts)}))
		}
		add(by.plural, rows)
		add("other_"+by.plural, s.countsJSON(others))
	}
	if err != nil {
		return err
	}
	b.WriteString("}\n")
	_, err = w.Write(b.Bytes())
	return err
}

func (s *Summary) countsJSON(c counts) countsJSON {
	object := countsJSON{Opens: c.opens, Share: math.Round(s.share(c)*1e4) / 1e4}
	if s.o.Results {
		object.Failed = &c.failed
	}
	if s.o.Took {
		object.Took = &c.took
		if c.max > 0 {
			object.Max = &c.max
		}
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
