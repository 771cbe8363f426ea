package stream

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Key is a key that was pressed: its character, or one of those below.
type Key rune

// Keys without a character.
const (
	Enter     Key = '\r'
	Tab       Key = '\t'
	Escape    Key = '\x1b'
	Backspace Key = '\x7f'
)

// More of them, and what comes among them: the process is to be stopped, as by Ctrl-Z, or was
// continued, or the terminal has another size.
const (
	Up Key = -1 - iota
	Down
	PageUp
	PageDown
	Home
	End
	Stop
	Continued
	Resized
)

// sequences are what keys send, behind an escape character (xterm, and the usual others).
var sequences = map[string]Key{
	"[A": Up, "OA": Up, "[B": Down, "OB": Down, "[5~": PageUp, "[6~": PageDown,
	"[H": Home, "OH": Home, "[1~": Home, "[F": End, "OF": End, "[4~": End,
}

// appendKeys appends the keys that have sent some bytes. Sequences of others are left out.
func appendKeys(keys []Key, sent []byte) []Key {
	for len(sent) > 0 {
		r, size := utf8.DecodeRune(sent)
		sent = sent[size:]
		switch {
		case r == utf8.RuneError && size == 1:
		case r == '\n':
			keys = append(keys, Enter)
		case r == '\b':
			keys = append(keys, Backspace)
		case r == '\x1b' && len(sent) > 1 && (sent[0] == '[' || sent[0] == 'O'):
			n := 1
			for n < len(sent)-1 && (sent[n] < '@' || sent[n] > '~') {
				n++
			}
			if key, ok := sequences[string(sent[:n+1])]; ok {
				keys = append(keys, key)
			}
			sent = sent[n+1:]
		default:
			keys = append(keys, Key(r))
		}
	}
	return keys
}

// Input is what a program that draws on a terminal is told by it: keys, and signals.
type Input struct {
	C       <-chan Key
	signals chan os.Signal

	fd          int // of what keys are read from; -1 if there are none
	before, now unix.Termios
}

// OpenInput begins to read keys, which then come without Enter and do not show. Ctrl-C still
// sends its signal. The error says why there are no keys: the file is no terminal, or another
// process group's, who reads there is stopped. What signals tell comes then, too.
func OpenInput(file *os.File) (*Input, error) {
	keys := make(chan Key, 64)
	i := &Input{C: keys, signals: make(chan os.Signal, 8), fd: -1}
	if !signal.Ignored(unix.SIGTSTP) {
		signal.Notify(i.signals, unix.SIGTSTP)
	}
	signal.Notify(i.signals, unix.SIGCONT, unix.SIGWINCH)
	go i.readSignals(keys)
	if err := i.openKeys(int(file.Fd())); err != nil {
		return i, err
	}
	go readKeys(file, keys)
	return i, nil
}

func (i *Input) openKeys(fd int) error {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err != nil {
		return fmt.Errorf("asking whose the terminal is: %w", err)
	}
	if group != unix.Getpgrp() {
		return fmt.Errorf("the terminal is another process group's, %d", group)
	}
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("asking for the terminal's settings: %w", err)
	}
	i.before, i.now = *before, *before
	i.now.Lflag &^= unix.ICANON | unix.ECHO
	i.now.Cc[unix.VMIN], i.now.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &i.now); err != nil {
		return fmt.Errorf("changing the terminal's settings: %w", err)
	}
	i.fd = fd
	return nil
}

// HasKeys reports whether there are keys.
func (i *Input) HasKeys() bool { return i.fd >= 0 }

// readKeys sends what is read, until its end. Nothing ends it otherwise: it is to be had once.
func readKeys(file *os.File, to chan<- Key) {
	b := make([]byte, 64)
	for {
		n, err := file.Read(b)
		for _, key := range appendKeys(nil, b[:n]) {
			to <- key
		}
		if err != nil {
			return
		}
	}
}

func (i *Input) readSignals(to chan<- Key) {
	for s := range i.signals {
		to <- map[os.Signal]Key{unix.SIGTSTP: Stop, unix.SIGCONT: Continued, unix.SIGWINCH: Resized}[s]
	}
}

// Stop puts the terminal's settings back and stops the process, as Ctrl-Z does, and takes the
// terminal again when it goes on. A process that nobody could continue is not stopped.
func (i *Input) Stop() error {
	if err := i.restore(); err != nil {
		return err
	}
	if err := stopSelf(); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return i.Continue()
}

// stopSelf returns when the process was continued. signal.Reset leaves Go's handler of SIGTSTP
// where it is, and with any handler the kernel does not stop the process. The signal is this
// thread's own, so that the kernel acts on it before the call returns.
func stopSelf() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var byDefault, handler sigaction
	if err := setAction(unix.SIGTSTP, &byDefault, &handler); err != nil {
		return err
	}
	err := unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGTSTP)
	return errors.Join(err, setAction(unix.SIGTSTP, &handler, nil))
}

// sigaction is the kernel's on 64-bit machines: a handler, flags, a restorer, a mask. Zero is what
// a signal does by default.
type sigaction [4]uint64

func setAction(s unix.Signal, action, before *sigaction) error {
	const maskSize = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(before)), maskSize, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Continue takes the terminal again after somebody else had it. In the background it stops the
// process until that is in the foreground.
func (i *Input) Continue() error {
	if i.fd < 0 {
		return nil
	}
	return unix.IoctlSetTermios(i.fd, unix.TCSETS, &i.now)
}

func (i *Input) restore() error {
	if i.fd < 0 {
		return nil
	}
	return unix.IoctlSetTermios(i.fd, unix.TCSETS, &i.before)
}

// Close puts the terminal's settings back.
func (i *Input) Close() error {
	signal.Stop(i.signals)
	return i.restore()
}
