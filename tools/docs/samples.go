package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"opensnoop/tools/docs/page"
)

// samples runs the commands in the pages' blocks of console, and puts what each writes
// behind it.
func samples(pages []*page.Page) error {
	for _, p := range pages {
		for _, b := range slices.Backward(p.Code) {
			if b.Lang != "console" {
				continue
			}
			var lines []string
			for _, line := range b.Lines {
				if text, found := strings.CutPrefix(line, page.Prompt); found {
					out, err := sample(text)
					if err != nil {
						return fmt.Errorf("%s: %s: %w", p.Name, text, err)
					}
					lines = append(append(lines, line), out...)
				}
			}
			p.Lines = slices.Replace(p.Lines, b.First, b.First+len(b.Lines), lines...)
		}
		if err := os.WriteFile(p.Name, []byte(strings.Join(p.Lines, "\n")+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sample returns the lines that a command writes. It is run twice: the first time it may
// have to be compiled, which a terminal shows.
func sample(text string) ([]string, error) {
	var out []byte
	for range 2 {
		var err error
		if out, err = page.Shell(context.Background(), ".", page.Sample, text); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, out)
		}
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"), nil
}
