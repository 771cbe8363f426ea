package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
)

// tally is what a tool's outputs tell.
type tally struct {
	rows uint64 // of the flood
	lost uint64
}

// tallyFiles adds up what files tell.
func tallyFiles(lost *regexp.Regexp, paths ...string) (tally, error) {
	var t tally
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return t, err
		}
		err = t.read(f, lost)
		f.Close()
		if err != nil {
			return t, fmt.Errorf("reading a tool's output: %w", err)
		}
	}
	return t, nil
}

// read takes in an output. A pattern's group finds in a line how many events were
// lost; it may be nil.
func (t *tally) read(r io.Reader, lost *regexp.Regexp) error {
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadSlice('\n')
		if bytes.Contains(line, []byte(floodName)) {
			t.rows++
		} else if lost != nil {
			if m := lost.FindSubmatch(bytes.TrimRight(line, "\r\n")); m != nil {
				n, err := strconv.ParseUint(string(m[1]), 10, 64)
				if err != nil {
					return fmt.Errorf("%q: %w", line, err)
				}
				t.lost += n
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}
