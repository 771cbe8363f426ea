package compare

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
)

// Recordings may have millions of different paths. Each is kept once, in large pieces without
// pointers: that takes some 10 bytes more than the text itself, and nothing of the garbage collector.

// textMax is how many bytes all texts that are compared may have, with keyCost more for each: what its
// number, its slot and what is known of it take, or more.
const (
	textMax   = 256 << 20
	keyCost   = 32
	pieceSize = 1 << 20
)

var errTooMany = errors.New("there are too many different paths in it: record less, by --path or -n")

// budget is how many bytes the sets of a command may still take.
type budget struct{ left int }

// newBudget returns what the sets of one command may take together.
func newBudget() *budget { return &budget{textMax} }

// take takes bytes of it, or fails.
func (b *budget) take(n int) error {
	if n > b.left {
		return errTooMany
	}
	b.left -= n
	return nil
}

// set is a set of texts, each known by its number: they are numbered as they come.
type set struct {
	budget *budget
	seed   maphash.Seed
	slots  []uint32     // a number and 1, by the text's hash or as soon as one behind is free; 0 is free
	starts list[uint32] // where each text is, in bytes of all pieces
	pieces [][]byte     // of length and text
}

// set returns an empty set, which takes of the budget.
func (b *budget) set() *set {
	return &set{budget: b, seed: maphash.MakeSeed(), slots: make([]uint32, 1<<10)}
}

func (s *set) len() uint32 { return uint32(s.starts.n) }

// text returns a text, which is not to be changed.
func (s *set) text(number uint32) []byte {
	start := *s.starts.at(number)
	piece := s.pieces[start/pieceSize][start%pieceSize:]
	size, n := binary.Uvarint(piece)
	return piece[n : n+int(size)]
}

// texts takes all texts out of the set, in the order in which they came. It is of no use afterwards.
func (s *set) texts() []string {
	all := make([]string, s.len())
	last, text := -1, ""
	var piece []byte
	for i := range all {
		start := int(*s.starts.at(uint32(i)))
		if n := start / pieceSize; n != last {
			piece, last = s.pieces[n], n
			text, s.pieces[n] = string(piece), nil
		}
		at := start % pieceSize
		size, n := binary.Uvarint(piece[at:])
		all[i] = text[at+n : at+n+int(size)]
	}
	return all
}

// find returns the number of a text, or else the slot that it may have.
func (s *set) find(text []byte) (number uint32, slot uint64, found bool) {
	mask := uint64(len(s.slots) - 1)
	for slot = maphash.Bytes(s.seed, text) & mask; s.slots[slot] != 0; slot = (slot + 1) & mask {
		if number = s.slots[slot] - 1; string(s.text(number)) == string(text) {
			return number, slot, true
		}
	}
	return 0, slot, false
}

func (s *set) has(text []byte) bool {
	_, _, found := s.find(text)
	return found
}

// add returns the number of a text, which the set has from now on, and whether it is new.
func (s *set) add(text []byte) (number uint32, isNew bool, err error) {
	number, slot, found := s.find(text)
	if found {
		return number, false, nil
	}
	last := len(s.pieces) - 1
	need := len(text) + binary.MaxVarintLen32
	if need > pieceSize {
		return 0, false, errTooMany
	}
	if err := s.budget.take(need + keyCost); err != nil {
		return 0, false, err
	}
	if last < 0 || len(s.pieces[last])+need > pieceSize {
		if last >= 0 { // what is left of the piece before is lost
			if err := s.budget.take(pieceSize - len(s.pieces[last])); err != nil {
				return 0, false, err
			}
		}
		s.pieces = append(s.pieces, make([]byte, 0, pieceSize))
		last++
	}
	number = s.len()
	s.starts.add(uint32(last*pieceSize + len(s.pieces[last])))
	s.pieces[last] = append(binary.AppendUvarint(s.pieces[last], uint64(len(text))), text...)
	s.slots[slot] = number + 1
	if s.starts.n > len(s.slots)/4*3 {
		s.grow()
	}
	return number, true, nil
}

func (s *set) grow() {
	s.slots = make([]uint32, 2*len(s.slots))
	mask := uint64(len(s.slots) - 1)
	for number := range s.len() {
		slot := maphash.Bytes(s.seed, s.text(number)) & mask
		for s.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		s.slots[slot] = number + 1
	}
}

// list is a list that grows without being copied.
type list[T any] struct {
	pieces [][]T
	n      int
}

const listPiece = 1 << 12

func (l *list[T]) add(v T) {
	if l.n%listPiece == 0 {
		l.pieces = append(l.pieces, make([]T, 0, listPiece))
	}
	last := &l.pieces[len(l.pieces)-1]
	*last = append(*last, v)
	l.n++
}

func (l *list[T]) at(i uint32) *T { return &l.pieces[i/listPiece][i%listPiece] }

// pairs are different pairs of a program and a text, each known by its number.
type pairs struct {
	programs *set
	set      *set // of the program's number, and the text
	key      []byte
}

// add returns the number of a pair, and whether it is new.
func (p *pairs) add(program uint32, text []byte) (number uint32, isNew bool, err error) {
	p.key = append(binary.AppendUvarint(p.key[:0], uint64(program)), text...)
	return p.set.add(p.key)
}

func (p *pairs) has(program uint32, text []byte) bool {
	p.key = append(binary.AppendUvarint(p.key[:0], uint64(program)), text...)
	return p.set.has(p.key)
}

// of returns the program and the text of a pair.
func (p *pairs) of(number uint32) (program uint32, text []byte) {
	key := p.set.text(number)
	n, size := binary.Uvarint(key)
	return uint32(n), key[size:]
}
