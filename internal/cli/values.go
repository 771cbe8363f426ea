package cli

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"opensnoop/internal/filter"
	"opensnoop/internal/probe"
)

// The values of flags, as pflag.Value. Each Set's error says what was expected.

// seconds is a time: a number of seconds, or a duration as Go writes it.
type seconds = filter.Duration

// count is a number of rows; 0 is no limit.
type count uint64

func (c *count) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 {
		return errors.New("expected a whole number above 0")
	}
	*c = count(n)
	return nil
}

func (c *count) String() string {
	if *c == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*c), 10)
}

func (*count) Type() string { return "ROWS" }

// maxPages is the largest buffer taken, per CPU: 2 GiB with pages of 4 KiB.
const maxPages = 1 << 19

// pages is the size of a perf buffer, which must be a power of two.
type pages int

func (p *pages) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > maxPages || bits.OnesCount64(n) != 1 {
		return fmt.Errorf("expected a power of two from 1 to %d", maxPages)
	}
	*p = pages(n)
	return nil
}

func (p *pages) String() string {
	if *p == 0 {
		return ""
	}
	return strconv.Itoa(int(*p))
}

func (*pages) Type() string { return "PAGES" }

// probeName is one of probe.Names.
type probeName string

func (k *probeName) Set(text string) error {
	if !slices.Contains(probe.Names(), text) {
		return fmt.Errorf("expected one of %s", strings.Join(probe.Names(), ", "))
	}
	*k = probeName(text)
	return nil
}

func (k *probeName) String() string { return string(*k) }

func (*probeName) Type() string { return "PROBE" }
