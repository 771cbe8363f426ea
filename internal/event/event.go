// Package event decodes the records that the BPF program puts into the perf
// buffer. Their layout is struct record of <opensnoop/record.h> in bpf/include.
package event

import (
	"cmp"
	"math"
	"strconv"
	"strings"
)

// CommSize is the size in bytes of the kernel's name of a task, with the NUL
// that ends it (TASK_COMM_LEN in include/linux/sched.h).
const CommSize = 16

// NameMax is the most bytes that a name has: PATH_MAX less the NUL
// (include/uapi/linux/limits.h).
const NameMax = 4095

// ArgsMax is the most bytes of a program's arguments that an event has: ARGS_MAX in
// <opensnoop/record.h>.
const ArgsMax = 252

// NameKind tells how a name came about. The values are enum name_kind's in
// <opensnoop/record.h>.
type NameKind uint8

const (
	NameRead   NameKind = 0 // the name as the program passed it
	NameBad    NameKind = 1 // its address could not be read even at the call's return
	NameUnseen NameKind = 2 // its address could not be read at entry, and the return was not seen
	NameHandle NameKind = 3 // none: open_by_handle_at(2), with the handle at the address
	NameUnsure NameKind = 4 // as the program had it at entry; the kernel may have read another
)

// passed reports whether there is a name, and no address in its place.
func (k NameKind) passed() bool { return k == NameRead || k == NameUnsure }

// Fields are what a record holds beyond what every record does: a set of bits,
// FIELD_… in the BPF program. What nobody asked for is not recorded. Each has a
// part of the record, and the parts are in the order of [parts].
type Fields uint32

const (
	Flags    Fields = 1 << iota // Event.Flags and Event.Mode
	PPID                        // Event.PPID
	Result                      // Event.Result
	UID                         // Event.UID
	EUID                        // Event.EUID
	Process                     // Event.Process
	Path                        // Event.Folder and Event.Path
	Exe                         // Event.Exe; needs Path
	File                        // Event.Inode, Event.Dev, Event.Created and Event.Real; needs Path and Result
	PComm                       // Event.PComm
	Cgroup                      // Event.Cgroup
	Args                        // Event.Args and Event.ArgsSize
	Depth                       // Event.Depth
	GID                         // Event.GID
	Login                       // Event.Login
	Took                        // Event.Took and Event.Blocks; needs Result
	Ancestry                    // Event.Ancestors

	AllFields Fields = 1<<iota - 1
)

// Event is one open.
type Event struct {
	// Time in ns of CLOCK_MONOTONIC at which the open was reported: at its entry,
	// or as soon as its name could be read; with a Result, at its return.
	Time uint64
	TGID uint32 // what user space calls the process id
	TID  uint32
	Comm []byte // without the NUL; at most 15 bytes

	NameKind NameKind
	Name     []byte // for NameRead and NameUnsure; may be empty
	Address  uint64 // of the name or handle in the process, for the other kinds

	Fields  Fields // which of the following were recorded; the others are 0
	UID     uint32 // real user id, in the first user namespace
	User    []byte // the name of UID, of a recording that has it; nil to look it up
	EUID    uint32 // effective user id, in the first user namespace
	GID     uint32 // real group id, in the first user namespace
	Login   uint32 // the user who logged in, as audit(8) keeps it whatever follows, or NoLogin
	Logged  []byte // the name of Login, as User
	PPID    uint32 // the parent's process id; 0 if it is outside our pid namespace
	PComm   []byte // the comm of the parent's first thread, as Comm
	Process []byte // the comm of the process's first thread, as Comm
	Flags   uint64 // O_RDONLY|…, as the program passed them (open(2))
	Mode    uint32 // permissions for a new file, as the program passed them
	Result  int32  // the descriptor, an error's number negated, or ResultUnknown
	Took    uint64 // ns from the call's entry to its return, at least 1; 0 if that is not known
	Blocks  bool   // the call had not returned after Took, when tracing ended
	Fixed   bool   // a Result of 0 or more is a place in an io_uring's own table of files
	Exec    bool   // opened to execute a program: a Result of 0 is no descriptor
	Lookup  Lookup // looked for, and not opened: its Result is 0 or an error
	Depth   uint32 // how far the process is below the one that is followed

	Ancestors Ancestors // the process and those that it descends from

	// The arguments that the program was executed with, a NUL behind each, of which there are
	// ArgsSize bytes, but no more than [ArgsMax] here; none if they are not known.
	Args     []byte
	ArgsSize uint32

	// With Path: what the name is relative to, and by that the absolute path of what was to
	// be opened, as somebody at a terminal would type it: without the . and the .. that the
	// name begins with, and without slashes that say nothing. A .. behind a name stays, for
	// a link may be there.
	Folder Folder
	Path   Place

	Exe Place // with Exe: the program of the process

	// Cgroup is the id of the process's cgroup in the hierarchy of version 2, and Container
	// what that is of: [Host] for none; nil if it is not known. Records do not have it.
	Cgroup    uint64
	CgroupNS  bool // the process is in a cgroup namespace of its own
	Container *Container

	// Unit is what systemd runs the process as: [NoUnit] for none; nil if it is not known. Records
	// do not have it.
	Unit *Unit

	// With File and a Result of 0 or more: the file that was opened, links followed, unless
	// its Real is [PathNone].
	Inode   uint64
	Dev     uint32 // of its file system, as the kernel has it: 12 bits and 20
	Created bool   // this open made it

	StatDiffers bool // stat(2) may tell another Dev or Inode, mostly of overlayfs
	Real        Place
}

// NoLogin is the Login of what nobody who has logged in runs, such as services.
const NoLogin uint32 = math.MaxUint32

// ResultUnknown is the Result of a call whose return was not seen.
const ResultUnknown int32 = math.MinInt32

// A Number is a number of the thread that opens, or of its process, of up to 4 bytes. From its entry in
// Numbers follow its place in records, how the BPF program gets it, what that asks of the kernel's types,
// its field in recordings and, where there is one, what its filter compares.
type Number struct {
	Field Fields
	Name  string                 // of its column, and of its field in recordings
	What  string                 // what cannot be told without the kernel's types
	Of    func(e *Event) *uint32 // where an event has it

	// Members of the kernel's structures lead to it: the first is of the current task, each other one is
	// of what the one before it points to.
	Members []string

	// Type is the last member's in C, if it is not u32; s32 and the like are signed, and have no Unread.
	Type string

	// Value is it in C, if it takes more than to read the members one after the other. Filters compare it, too:
	// it can name no variable.
	Value string

	// Unread is a bit if it may not be known: the kernel may not have the last member, or Value is less
	// than 0 then. Records have the bit beside their fields; the next free one is 1 << 28.
	Unread uint32
}

// Numbers are all there are, in the order in which records have them.
var Numbers = []*Number{
	{
		Field: PPID, Name: "ppid", What: "the parent's process id", Of: func(e *Event) *uint32 { return &e.PPID },
		Members: []string{"task_struct.real_parent", "task_struct.tgid"},
	},
	{Field: UID, Name: "uid", Of: func(e *Event) *uint32 { return &e.UID }, Value: "(u32)bpf_get_current_uid_gid()"},
	{
		Field: EUID, Name: "euid", What: "the effective user id", Of: func(e *Event) *uint32 { return &e.EUID },
		Members: []string{"task_struct.cred", "cred.euid"},
	},
	{Field: GID, Name: "gid", Of: func(e *Event) *uint32 { return &e.GID }, Value: "(u32)(bpf_get_current_uid_gid() >> 32)"},
	{
		Field: Login, Name: "login", What: "who logged in", Of: func(e *Event) *uint32 { return &e.Login },
		Members: []string{"task_struct.loginuid"}, Unread: 1 << 29, // there with CONFIG_AUDIT
	},
	{Field: Depth, Name: "depth", Of: func(e *Event) *uint32 { return &e.Depth }, Value: "current_depth()", Unread: 1 << 30},
}

// NumberOf returns the number of that name; nil if there is none.
func NumberOf(name string) *Number {
	for _, n := range Numbers {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Append appends the number that an event has.
func (n *Number) Append(b []byte, e *Event) []byte {
	if n.Signed() {
		return strconv.AppendInt(b, int64(int32(*n.Of(e))), 10)
	}
	return strconv.AppendUint(b, uint64(*n.Of(e)), 10)
}

// Signed reports whether the number may be less than 0.
func (n *Number) Signed() bool { return strings.HasPrefix(n.Type, "s") }

// C is how the BPF program gets the number. With Unread, less than 0 says that it is not known.
func (n *Number) C() string {
	if n.Value != "" {
		return n.Value
	}
	offset := MemberMacro(n.Members[0])
	value := "task_member(" + offset + ")"
	for _, member := range n.Members[1:] {
		offset = MemberMacro(member)
		value = "member(" + value + ", " + offset + ")"
	}
	value = "(" + cmp.Or(n.Type, "u32") + ")" + value
	if n.Unread != 0 {
		value = "HAS(" + offset + ") ? (s64)" + value + " : -1"
	}
	return value
}

// MemberMacro is the macro of the offset of a member: TASK_CRED for task_struct.cred.
func MemberMacro(member string) string {
	structure, name, _ := strings.Cut(member, ".")
	return strings.ToUpper(strings.TrimSuffix(structure, "_struct") + "_" + strings.ReplaceAll(name, ".", "_"))
}
