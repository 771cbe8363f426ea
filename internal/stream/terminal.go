package stream

import (
	"os"

	"golang.org/x/sys/unix"
)

// The control sequences that a page which is drawn again and again takes (xterm's, which others
// have too).
const (
	EnterPage = "\x1b[?1049h\x1b[?25l" // the other screen, without a cursor
	LeavePage = "\x1b[?25h\x1b[?1049l" // back, as it was before
	TopOfPage = "\x1b[H"
	ClearLine = "\x1b[K" // from the cursor on
	ClearPage = "\x1b[J" // the same, to the end of the page
)

// IsTerminal reports whether a file is a terminal.
func IsTerminal(file *os.File) bool {
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// The size where a terminal does not tell its own.
const (
	usualWidth  = 80
	usualHeight = 24
)

// TerminalSize returns how many characters a line of a terminal has, and how many lines there are.
func TerminalSize(file *os.File) (width, height int) {
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return usualWidth, usualHeight
	}
	return int(size.Col), int(size.Row)
}
