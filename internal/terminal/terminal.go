// Package terminal has the keys of a terminal one by one, and knows its size.
package terminal

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The control sequences that a page which is drawn again and again takes (xterm's, which others
// have too).
const (
	Enter   = "\x1b[?1049h\x1b[?25l" // the other screen, without a cursor
	Leave   = "\x1b[?25h\x1b[?1049l" // back, as it was before
	Home    = "\x1b[H"
	EndLine = "\x1b[K\n" // the rest of the line is empty
	EndPage = "\x1b[J"   // so is the rest of the page
)

// Is reports whether a file is a terminal.
func Is(file *os.File) bool {
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// The size where a terminal does not tell its own.
const (
	usualWidth  = 80
	usualHeight = 24
)

// Size returns how many characters a line of a terminal has, and how many lines there are.
func Size(file *os.File) (width, height int) {
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return usualWidth, usualHeight
	}
	return int(size.Col), int(size.Row)
}

// Keys are the keys that are pressed on a terminal.
type Keys struct {
	C <-chan byte

	fd     int
	before unix.Termios
}

// OpenKeys begins to read keys, which then come without Enter and do not show. Ctrl-C still sends
// its signal; Ctrl-Z is a key as others are. In the background there are none: who reads there
// is stopped.
func OpenKeys(file *os.File) (*Keys, error) {
	fd := int(file.Fd())
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err != nil {
		return nil, fmt.Errorf("asking whose the terminal is: %w", err)
	}
	if group != unix.Getpgrp() {
		return nil, fmt.Errorf("the terminal is another process group's, %d", group)
	}
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("asking for the terminal's settings: %w", err)
	}
	now := *before
	now.Lflag &^= unix.ICANON | unix.ECHO
	now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 1, 0
	now.Cc[unix.VSUSP] = 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &now); err != nil {
		return nil, fmt.Errorf("changing the terminal's settings: %w", err)
	}
	keys := make(chan byte)
	go read(file, keys)
	return &Keys{C: keys, fd: fd, before: *before}, nil
}

// read sends what is read, until its end. Nothing ends it otherwise: it is to be had once.
func read(file *os.File, keys chan<- byte) {
	b := make([]byte, 64)
	for {
		n, err := file.Read(b)
		for _, key := range b[:n] {
			keys <- key
		}
		if err != nil {
			return
		}
	}
}

// Close puts the terminal's settings back.
func (k *Keys) Close() error { return unix.IoctlSetTermios(k.fd, unix.TCSETSW, &k.before) }
