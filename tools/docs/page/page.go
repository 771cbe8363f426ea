// Package page reads the pages for users: what stands in their blocks of code, and what
// is prose.
package page

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Page is a Markdown file.
type Page struct {
	Name  string // below the repository's root
	Lines []string
	Code  []Block
}

// Block is a fenced block of code. A block of sh has commands, one a line; one of console
// has commands behind "$ ", each with the output that it gave.
type Block struct {
	Lang  string
	First int // the number of its first line in the page, from 0
	Lines []string
}

// Command is a command that a page tells the reader to type.
type Command struct {
	Page string
	Line int // from 1
	Text string
}

// Read returns the pages below the repository's root.
func Read(root string) ([]*Page, error) {
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "README.md"} {
		paths = slices.Insert(paths, 0, filepath.Join(root, name))
	}
	var pages []*Page
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		pages = append(pages, parse(name, string(text)))
	}
	return pages, nil
}

const fence = "```"

func parse(name, text string) *Page {
	p := &Page{Name: name, Lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
	first := -1 // of the block that a line is in
	for i, line := range p.Lines {
		switch {
		case !strings.HasPrefix(line, fence):
		case first < 0:
			first = i + 1
		default:
			p.Code = append(p.Code, Block{strings.TrimPrefix(p.Lines[first-1], fence), first, p.Lines[first:i]})
			first = -1
		}
	}
	return p
}

// Commands returns the commands in the page's blocks.
func (p *Page) Commands() []Command {
	var commands []Command
	for _, b := range p.Code {
		for i, line := range b.Lines {
			prompt := strings.HasPrefix(line, Prompt)
			if b.Lang == "sh" && line != "" || b.Lang == "console" && prompt {
				commands = append(commands, Command{p.Name, b.First + i + 1, strings.TrimPrefix(line, Prompt)})
			}
		}
	}
	return commands
}

// Prompt is in front of a command in a block of console.
const Prompt = "$ "

// Prose returns the page's lines without tables and blocks of code, which are empty.
func (p *Page) Prose() []string {
	prose := slices.Clone(p.Lines)
	for _, b := range p.Code {
		for i := b.First - 1; i <= b.First+len(b.Lines); i++ {
			prose[i] = ""
		}
	}
	for i, line := range prose {
		if strings.HasPrefix(line, "|") {
			prose[i] = ""
		}
	}
	return prose
}
