package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

var release = regexp.MustCompile(`^\d+\.\d+`)

// figures are what is compared with the recorded, by key: of what people get, calls that are no opens too.
func (s counted) figures(key string) map[string]float64 {
	all := map[string]float64{key: s.Open}
	if strings.HasPrefix(s.Name, "auto: ") {
		all[key+", getppid"] = s.Call
	}
	return all
}

// key is what a figure of a row is recorded by.
func (r *instructionReport) key(s counted) string {
	return release.FindString(r.Kernel) + ": " + s.Name
}

// hasRisen reports whether a figure is above what is recorded.
func hasRisen(count, recorded float64) bool {
	return count > max(recorded*toleratedRise, recorded+toleratedNoise)
}

// rises are the names of our rows with a figure that has risen, as a regexp has them.
func (r *instructionReport) rises(recorded map[string]float64) (rows []string) {
	for _, s := range r.Setups {
		for key, count := range s.figures(r.key(s)) {
			if before, known := recorded[key]; s.Ours && known && hasRisen(count, before) {
				rows = append(rows, regexp.QuoteMeta(s.Name))
			}
		}
	}
	return rows
}

// lower takes the lower figures of what was counted again.
func (r *instructionReport) lower(again instructionReport) {
	for i := range r.Setups {
		s := &r.Setups[i]
		for _, a := range again.Setups {
			if a.Name == s.Name && a.Why == "" {
				s.Open, s.Call, s.Fork = min(s.Open, a.Open), min(s.Call, a.Call), min(s.Fork, a.Fork)
			}
		}
	}
}

// readRecorded reads the figures in a file, by row; none if there is no file.
func readRecorded(path string) (map[string]float64, error) {
	recorded := make(map[string]float64)
	text, err := os.ReadFile(path)
	if path == "" || errors.Is(err, os.ErrNotExist) {
		return recorded, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &recorded)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return recorded, nil
}

// compareInstructions returns an error if a figure of ours is above what is recorded. With accept, or
// for what is not there, it records it in the file.
func compareInstructions(path string, recorded map[string]float64, reports []instructionReport, accept bool) error {
	var errs []error
	changed := false
	for _, r := range reports {
		errs = append(errs, r.compareStats())
		for _, s := range r.Setups {
			key := r.key(s)
			_, known := recorded[key]
			switch {
			case !s.Ours, s.Why != "" && !known: // what a kernel never had is told in the table's notes
				continue
			case s.Why != "":
				errs = append(errs, fmt.Errorf("%s: %s", key, s.Why))
				continue
			}
			for key, count := range s.figures(key) {
				before, known := recorded[key]
				if accept || !known {
					recorded[key], changed = float64(int(count)), true
				} else if hasRisen(count, before) {
					errs = append(errs, fmt.Errorf("%s: %.0f instructions, recorded are %.0f; if they are worth it, record them: make bench-kprobe ARGS=-accept", key, count, before))
				}
			}
		}
	}
	if changed {
		text, err := json.MarshalIndent(recorded, "", "\t")
		if err == nil {
			err = os.WriteFile(path, append(text, '\n'), 0o644)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// compareStats returns an error if a stat costs more than an open does.
func (r *instructionReport) compareStats() error {
	opens := make(map[string]float64)
	var errs []error
	for _, s := range r.Setups {
		opens[s.Name] = s.Open
		if open, ok := opens[strings.TrimSuffix(s.Name, ofStat)]; ok && s.Open > open+toleratedNoise {
			errs = append(errs, fmt.Errorf("%s: %.0f instructions, and an open takes %.0f", s.Name, s.Open, open))
		}
	}
	return errors.Join(errs...)
}
