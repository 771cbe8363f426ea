package trace

// Losses are opens that were made since the session began and are not handed out, by
// what they were lost to. Opens lost behind the session, in writing them, are the
// caller's to count.
type Losses struct {
	Buffer  uint64 // the perf buffer of their CPU was full
	Pending uint64 // too many calls were pending
}

// Total returns the number of all of them.
func (l Losses) Total() uint64 { return l.Buffer + l.Pending }

// Cause is why opens were lost.
type Cause struct {
	Opens uint64
	Why   string // with what helps
}

// Causes are those of all losses.
func (l Losses) Causes() []Cause {
	var causes []Cause
	for _, c := range []Cause{
		{l.Buffer, "the perf buffer was full; a larger one (-b) or a filter (-p) helps"},
		{l.Pending, "too many calls were under way at once; a filter (-p) or columns without results help"},
	} {
		if c.Opens > 0 {
			causes = append(causes, c)
		}
	}
	return causes
}
