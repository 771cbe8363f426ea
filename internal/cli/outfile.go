package cli

import (
	"errors"
	"fmt"
	"os"
	"time"

	"opensnoop/internal/stream"
)

// open returns where the rows go: stdout, or the file of -w.
func (o *outputOptions) open(stdout *os.File) (file *os.File, err error) {
	switch {
	case o.file == "":
		file = stdout
	case o.rotate.size > 0:
		file, err = stream.Rotate(o.file, o.rotate.keep)
	case o.force:
		file, err = stream.ReplaceFile(o.file)
	default:
		file, err = stream.CreateFile(o.file)
		if st, statErr := os.Stat(o.file); errors.Is(err, os.ErrExist) && statErr == nil && st.IsDir() {
			return nil, fmt.Errorf("%s is a directory: name a file in it", o.file)
		}
		if errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("%s exists: choose another file, or --force to write over it", o.file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the file to write: %w", err)
	}
	if o.format == formatCSV && stream.IsTerminal(file) {
		if file != stdout {
			file.Close()
		}
		return nil, &usageError{errCSVOnTerminal}
	}
	return file, nil
}

// errCSVOnTerminal is because the format keeps all bytes of names as they are.
var errCSVOnTerminal = errors.New("CSV is not for a terminal, which names could control: use -w FILE, a pipe, or -o table")

// closeFile closes the file of -w, which may wait for its writing.
func (i *invocation) closeFile(file *os.File) error {
	closed := make(chan error, 1)
	go func() { closed <- file.Close() }()
	select {
	case err := <-closed:
		return err
	case <-i.hurry:
	}
	select {
	case err := <-closed:
		return err
	case <-time.After(stuckTime):
		return errors.New("it is not known whether all is written")
	}
}
