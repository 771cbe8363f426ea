package main

import (
	"math"
	"slices"
)

// measure is a row of the table.
type measure struct {
	key    string // in JSON; it ends in the unit
	title  string
	digits int  // behind the dot
	ratio  bool // a ratio of two tools' says something
}

// The keys of the measures.
const (
	openOne      = "open_one_us"
	openTwo      = "open_two_us"
	openFiltered = "open_filtered_us"
	openDeep     = "open_relative_us"
	otherCall    = "other_call_us"
	reached      = "opens_per_second"
	rowsShare    = "rows_percent"
	lostShare    = "lost_percent"
	untoldShare  = "untold_percent"
	cpuPerRow    = "cpu_per_row_us"
	firstRow     = "first_row_ms"
	firstInFile  = "first_row_in_file_ms"
	memoryPeak   = "memory_peak_mb"
	memoryFirst  = "memory_first_row_mb"
	memorySteady = "memory_steady_mb"
	memoryChild  = "memory_child_peak_mb"

	// Of a start that may not use what an earlier one compiled.
	firstRowCold    = "first_row_cold_ms"
	firstInFileCold = "first_row_in_file_cold_ms"
	memoryPeakCold  = "memory_peak_cold_mb"
)

var measures = []measure{
	{openOne, "slowing of an open+close, one process flooding (µs)", 2, true},
	{openTwo, "slowing of an open+close, two flooding (µs)", 2, true},
	{openDeep, "slowing of an open+close by a relative name, 7 folders deep (µs)", 2, true},
	{openFiltered, "slowing of an open+close that a filter drops (µs)", 2, true},
	{otherCall, "slowing of a call that is no open (µs)", 3, true},
	{reached, "opens/s that two processes reach", 0, true},
	{rowsShare, "of the opens came as rows (%)", 1, false},
	{lostShare, "of the opens told as lost (%)", 1, false},
	{untoldShare, "of the opens missing, untold (%)", 1, false},
	{cpuPerRow, "CPU time of the tool per row (µs)", 2, true},
	{firstRow, "exec to the first row on a terminal, warm (ms)", 0, true},
	{firstRowCold, "the same, cold (ms)", 0, true},
	{firstInFile, "the same in a file, by about 1500 opens/s, warm (ms)", 0, true},
	{firstInFileCold, "the same, cold (ms)", 0, true},
	{memoryPeak, "resident memory, peak, warm (MB)", 1, true},
	{memoryPeakCold, "the same of a cold start (MB)", 1, true},
	{memoryChild, "resident memory of its compiler, peak (MB)", 1, true},
	{memoryFirst, "resident memory at the first row (MB)", 1, true},
	{memorySteady, "resident memory some seconds later (MB)", 1, true},
}

// values are what one round gave, by the keys of the measures.
type values map[string]float64

// result is what all rounds gave for a tool.
type result struct {
	Tool    string               `json:"tool"`
	Command []string             `json:"command,omitempty"`
	Version string               `json:"version,omitempty"`
	Reason  string               `json:"cannot_run,omitempty"` // why there are no values
	Missing []missing            `json:"missing,omitempty"`
	Medians values               `json:"medians,omitempty"`
	Ratios  values               `json:"our_ratio,omitempty"` // ours / this tool's
	Rounds  map[string][]float64 `json:"rounds,omitempty"`
}

// missing is a part that a tool has no values of, from some rounds or from any.
type missing struct {
	Part  string `json:"part"`
	Times int    `json:"times"` // that it failed
	Why   string `json:"why"`   // the last time
}

// newResults returns empty results of tools.
func newResults(tools []tool) []*result {
	results := make([]*result, len(tools))
	for i, t := range tools {
		results[i] = &result{Tool: t.name, Command: t.command}
	}
	return results
}

// add takes in what a round gave.
func (r *result) add(v values) {
	if r.Rounds == nil {
		r.Rounds = make(map[string][]float64)
	}
	for key, value := range v {
		r.Rounds[key] = append(r.Rounds[key], value)
	}
}

// miss takes in that a part failed.
func (r *result) miss(part string, why error) {
	for i := range r.Missing {
		if m := &r.Missing[i]; m.Part == part {
			m.Times++
			m.Why = why.Error()
			return
		}
	}
	r.Missing = append(r.Missing, missing{part, 1, why.Error()})
}

// failures returns how often a part failed.
func (r *result) failures(part string) int {
	for _, m := range r.Missing {
		if m.Part == part {
			return m.Times
		}
	}
	return 0
}

// medians returns the median of each value.
func (r *result) medians() values {
	v := make(values)
	for key, all := range r.Rounds {
		v[key] = median(all)
	}
	return v
}

// summarize fills in the medians, and the ratios of the first result's to each. It
// may be called again when there are more rounds.
func summarize(results []*result) {
	for _, r := range results {
		r.Medians = r.medians()
	}
	for _, r := range results[1:] {
		r.Ratios = make(values)
		for _, m := range measures {
			us, haveUs := results[0].Medians[m.key]
			them, haveThem := r.Medians[m.key]
			if m.ratio && haveUs && haveThem && r.Tool != noTracer.name {
				if us > 0 && them > 0 { // noise may make a slowing negative
					r.Ratios[m.key] = us / them
				}
			}
		}
	}
}

// median returns the middle one, or the mean of the middle two; NaN of none.
func median(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
