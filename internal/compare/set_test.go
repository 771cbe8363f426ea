package compare

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// All sets of a command take of one budget, long texts as well as many, and those that fit stay.
func TestBudget(t *testing.T) {
	const all = 8 << 20
	for _, length := range []int{1, 60, 5_000, 700_000} {
		b := &budget{all}
		sets := [2]*set{b.set(), b.set()}
		var want [2][]string
		var err error
		for n := 0; err == nil; n++ {
			if n > all/keyCost {
				t.Fatalf("%d texts of %d bytes are in the sets", n, length)
			}
			text := fmt.Sprint(strings.Repeat("x", length), n)
			if _, _, err = sets[n%2].add([]byte(text)); err == nil {
				want[n%2] = append(want[n%2], text)
			}
		}
		pieces := len(sets[0].pieces) + len(sets[1].pieces)
		if err != errTooMany || pieces*pieceSize > all+2*pieceSize {
			t.Errorf("of %d bytes each: %v, %d pieces", length, err, pieces)
		}
		for i, s := range sets {
			if number, isNew, err := s.add([]byte(want[i][0])); number != 0 || isNew || err != nil {
				t.Errorf("of %d bytes: one that is there is not: %d, %v", length, number, err)
			}
			if got := s.texts(); !slices.Equal(got, want[i]) {
				t.Errorf("of %d bytes: %d texts, want %d", length, len(got), len(want[i]))
			}
		}
	}
}
