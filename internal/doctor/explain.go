package doctor

import "strings"

// Explain returns the findings that explain an error of opensnoop's start, a line
// each, less those that the error tells of itself. There may be none.
func Explain(err error) []string {
	s, lookErr := Look()
	if lookErr != nil {
		return nil
	}
	return explain(err.Error(), Examine(s))
}

func explain(message string, checks []Check) []string {
	var lines []string
	for _, c := range checks {
		// What opensnoop can do without explains nothing, but for a library that may
		// have failed to compile.
		explains := c.Status == Fail || c.Status == Warn && c.Name == librariesName && strings.Contains(message, "libbcc")
		if !explains || c.errorText != "" && strings.Contains(message, c.errorText) {
			continue
		}
		lines = append(lines, c.Name+": "+c.Found+": "+c.Meaning+"; "+c.Remedy)
	}
	return lines
}
