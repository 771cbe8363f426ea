package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"opensnoop/tools/docs/page"
)

// What the README may have at most; words are those besides tables and code.
const (
	maxLines         = 180
	maxWords         = 1500
	maxSentenceWords = 17 // on average
)

// check returns what is wrong with the pages, joined.
func check(pages []*page.Page) error {
	errs := []error{checkLength(pages[0])}
	anchors := make(map[string]map[string]bool)
	for _, p := range pages {
		anchors[p.Name] = anchorsOf(p)
	}
	for _, p := range pages {
		errs = append(errs, checkLinks(p, anchors)...)
	}
	commands, failed := checkCommands(pages)
	fmt.Printf("%d pages, %d commands\n", len(pages), commands)
	return errors.Join(append(errs, failed...)...)
}

func checkLength(readme *page.Page) error {
	words, sentences := count(readme)
	average := float64(words) / float64(sentences)
	fmt.Printf("%s: %d lines (at most %d), %d words (%d) besides tables and code, %.1f a sentence (%d)\n",
		readme.Name, len(readme.Lines), maxLines, words, maxWords, average, maxSentenceWords)
	if len(readme.Lines) > maxLines || words > maxWords || average > maxSentenceWords {
		return fmt.Errorf("%s is too long", readme.Name)
	}
	return nil
}

// sentenceEnd is where one ends: by its mark, or with the line of a heading or list.
var sentenceEnd = regexp.MustCompile(`[.?!]\**["')]?$`)

// count counts the words of a page's prose, and its sentences.
func count(p *page.Page) (words, sentences int) {
	open := false // a sentence has begun
	end := func() {
		if open {
			sentences++
		}
		open = false
	}
	for _, line := range p.Prose() {
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "- ") {
			end()
		}
		for _, word := range strings.Fields(strings.TrimPrefix(line, "- ")) {
			words++
			open = true
			if sentenceEnd.MatchString(word) {
				end()
			}
		}
		if strings.HasPrefix(line, "#") {
			end()
		}
	}
	end()
	return words, sentences
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`^#+ (.*)`)
	inLine  = regexp.MustCompile("`([^`]+)`")
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchorsOf returns the names by which a page's headings can be linked to.
func anchorsOf(p *page.Page) map[string]bool {
	names := make(map[string]bool)
	for _, line := range p.Prose() {
		if m := heading.FindStringSubmatch(line); m != nil {
			slug := noSlug.ReplaceAllString(strings.ToLower(m[1]), "")
			names[strings.ReplaceAll(slug, " ", "-")] = true
		}
	}
	return names
}

// checkLinks returns the links of a page to files and headings that do not exist.
func checkLinks(p *page.Page, anchors map[string]map[string]bool) (errs []error) {
	for i, line := range p.Lines {
		for _, m := range link.FindAllStringSubmatch(inLine.ReplaceAllString(line, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := p.Name
			if file != "" {
				target = filepath.Join(filepath.Dir(p.Name), file)
			}
			if _, err := os.Stat(target); err != nil {
				errs = append(errs, fmt.Errorf("%s:%d: %s does not exist", p.Name, i+1, target))
			} else if anchor != "" && !anchors[target][anchor] {
				errs = append(errs, fmt.Errorf("%s:%d: %s has no heading #%s", p.Name, i+1, target, anchor))
			}
		}
	}
	return errs
}

// checkCommands has the pages' commands parsed, and returns how many there are and which
// are wrong.
func checkCommands(pages []*page.Page) (n int, errs []error) {
	for _, p := range pages {
		for _, c := range append(p.Commands(), mentioned(p)...) {
			n++
			if _, err := page.Shell(context.Background(), ".", page.Parse, c.Text); err != nil {
				errs = append(errs, fmt.Errorf("%s:%d: %s: %w", c.Page, c.Line, c.Text, err))
			}
		}
	}
	return n, errs
}

// whole is a command in a sentence of which nothing is left to fill in.
var whole = regexp.MustCompile(`^(sudo |make |opensnoop )[^…]*$`)

// mentioned returns the commands in a page's sentences and tables.
func mentioned(p *page.Page) (commands []page.Command) {
	if p.Name == "CHANGELOG.md" { // what was true once
		return nil
	}
	for i, line := range p.Lines {
		for _, m := range inLine.FindAllStringSubmatch(line, -1) {
			if whole.MatchString(m[1]) {
				commands = append(commands, page.Command{Page: p.Name, Line: i + 1, Text: m[1]})
			}
		}
	}
	return commands
}
