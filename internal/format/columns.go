package format

import (
	"strconv"

	"opensnoop/internal/event"
)

// Columns are all there are, in the order in which CSV has them.
var Columns = []*Column{
	{
		Name: "time", Help: "seconds since the first row", aliases: []string{"timestamp"},
		place: 10, usual: true, header: "TIME(s)", width: 18,
		text: appendSinceFirst,
		fields: []field{
			{name: "seconds", kind: number, derived: true, value: appendSinceFirst},
		},
	},
	{
		Name: "wall", Help: "time of day",
		place: 20, header: "TIME", width: 15, leads: true,
		text: func(r *rows, b []byte, e *event.Event) []byte {
			return r.at(e).AppendFormat(b, "15:04:05.000000")
		},
		fields: []field{
			{name: "time", value: appendTime},
		},
	},
	{
		Name: "pid", Help: "process id",
		place: 60, origin: true, usual: true, header: "PID", width: 6,
		text: appendPID,
		fields: []field{
			{name: "pid", kind: number, value: appendPID},
		},
	},
	{
		Name: "tid", Help: "thread id", aliases: []string{"thread"},
		place: 70, origin: true, header: "TID", width: 6,
		text: appendTID,
		fields: []field{
			{name: "tid", kind: number, value: appendTID},
		},
	},
	numberColumn(Column{Name: "ppid", Help: "parent's process id", place: 80, header: "PPID", width: 6}),
	numberColumn(Column{Name: "uid", Help: "user id", place: 30, header: "UID", width: 6}),
	{
		Name: "user", Help: "user's name", Needs: event.UID, onAsking: true, // it takes a look-up
		place: 40, header: "USER", width: 8,
		text: func(r *rows, b []byte, e *event.Event) []byte {
			return AppendEscaped(b, appendUser(r, r.scratch[:0], e))
		},
		fields: []field{
			{name: "user", value: appendUser},
		},
	},
	numberColumn(Column{Name: "euid", Help: "effective user id", OnDemand: true, place: 45, header: "EUID", width: 6}),
	numberColumn(Column{Name: "gid", Help: "group id", aliases: []string{"group"}, OnDemand: true, place: 46, header: "GID", width: 6}),
	{
		Name: "login", Help: "user who logged in, also after su or sudo; - for none", aliases: []string{"loginuid", "auid"}, Needs: event.Login, OnDemand: true,
		place: 47, header: "LOGIN", width: 8,
		text: func(r *rows, b []byte, e *event.Event) []byte {
			if e.Login == event.NoLogin {
				return append(b, '-')
			}
			return AppendEscaped(b, appendLogin(r, r.scratch[:0], e))
		},
		fields: []field{
			{name: "login", known: loggedIn, value: appendLogin},
			// null says that there is none, and that there is no field that it is not known.
			{name: "login_uid", kind: number, optional: true, value: appendLoginUID, object: appendLoginUIDOrNull},
		},
	},
	{
		Name: "fd", Help: "file descriptor, -1 if it failed", aliases: []string{"ret"}, Needs: event.Result, known: resultKnown,
		place: 90, header: "FD", width: 4, right: true,
		text: appendDescriptorText,
		fields: []field{
			{name: "fd", kind: number, value: appendDescriptor, known: func(e *event.Event) bool {
				return resultKnown(e) && !fixed(e) && (!e.Exec || e.Result < 0) && e.Lookup == event.NoLookup
			}},
			{name: "fixed_fd", kind: number, optional: true, value: appendDescriptor, known: fixed},
		},
	},
	{
		Name: "err", csv: "error", Help: "error, 0 for none", aliases: []string{"errno", "error"}, Needs: event.Result, known: resultKnown,
		place: 100, header: "ERR", width: 7,
		text: appendError,
		fields: []field{
			{name: "errno", kind: number, value: appendErrno},
			{name: "error", known: failed, value: appendError},
		},
	},
	{
		Name: "took", Help: "how long it took, in ms; > if it had not ended yet", aliases: []string{"latency", "duration"}, Needs: event.Took, OnDemand: true, known: tookKnown,
		place: 105, header: "TOOK(ms)", width: 9, right: true,
		text: appendTookText,
		fields: []field{
			{name: "took_ns", kind: number, value: appendTook},
			{name: "still_blocks", kind: number, optional: true, known: blocks, value: appendTrue},
		},
	},
	{
		Name: "op", Help: "what is done: open, exec, stat, access or readlink", aliases: []string{"operation"}, OnDemand: true, onAsking: true,
		place: 108, header: "OP", width: 8,
		text:   appendOp,
		fields: []field{{name: "op", value: appendOp}},
	},
	{
		Name: "flags", long: true, csv: "flag_names", Help: "flags of open(2)", Needs: event.Flags,
		place: 110, header: "FLAGS", width: 18,
		text: appendFlags,
		fields: []field{
			{name: "flags", kind: number, known: flagsPassed, value: func(_ *rows, b []byte, e *event.Event) []byte {
				return strconv.AppendUint(b, e.Flags, 10)
			}},
			{name: "flags_text", optional: true, known: func(e *event.Event) bool { return flagsPassed(e) && e.Flags > exactMax }, value: func(_ *rows, b []byte, e *event.Event) []byte {
				return strconv.AppendUint(b, e.Flags, 10)
			}},
			{name: "flag_names", kind: list, value: appendFlags},
		},
	},
	{
		Name: "mode", Help: "permissions for a new file", Needs: event.Flags,
		place: 120, header: "MODE", width: 4,
		text: func(r *rows, b []byte, e *event.Event) []byte {
			if !event.UsesMode(e.Flags) {
				return append(b, '-')
			}
			return appendMode(r, b, e)
		},
		fields: []field{
			{name: "mode", value: appendMode, known: func(e *event.Event) bool {
				return flagsPassed(e) && event.UsesMode(e.Flags)
			}},
		},
	},
	{
		Name: "comm", Help: "name of the thread, usually that of its program", aliases: []string{"command"},
		place: 50, origin: true, usual: true, header: "COMM", width: 16,
		text: escaped(commOfThread), fields: textFields("comm", commOfThread),
	},
	{
		Name: "process", Help: "name of the process, that of its first thread", Needs: event.Process, OnDemand: true,
		place: 55, origin: true, header: "PROCESS", width: 16,
		text: escaped(commOfProcess), fields: textFields("process", commOfProcess),
	},
	{
		Name: "pcomm", Help: "name of the parent process", aliases: []string{"parent"}, Needs: event.PComm, OnDemand: true,
		place: 85, origin: true, header: "PCOMM", width: 16,
		text: escaped(commOfParent), fields: textFields("pcomm", commOfParent),
	},
	{
		Name: "ancestors", long: true, Help: "processes from the first one down to this one", aliases: []string{"lineage"}, Needs: event.Ancestry, OnDemand: true, known: ancestorsKnown,
		place: 86, origin: true, header: "ANCESTORS", width: 32,
		text: appendAncestors, fields: ancestorsFields,
	},
	{
		Name: "args", long: true, Help: "arguments of the program, as it was executed", aliases: []string{"cmdline", "argv"}, Needs: event.Args, OnDemand: true, known: argsKnown,
		place: 58, origin: true, header: "ARGS", width: 32,
		text: appendArgsText,
		fields: []field{
			{name: "args", value: appendArgs, object: appendArgsList},
			exactIf("args", argsKnown, argsOf),
			{name: "args_cut", kind: number, optional: true, known: argsCut, value: appendTrue},
		},
	},
	numberColumn(Column{Name: "depth", Help: "how many processes it is below the command, or below the process of -p", OnDemand: true, place: 75, header: "DEPTH", width: 5}),
	{
		Name: "container", long: true, Help: "name of the container, or its short id; - for none", Needs: event.Cgroup, OnDemand: true, known: containerKnown,
		place: 48, header: "CONTAINER", width: 16,
		text: appendContainerText, fields: containerFields,
	},
	{
		Name: "unit", Help: "systemd unit, or slice if it is in none; - for none", aliases: []string{"service", "scope"}, Needs: event.Cgroup, OnDemand: true, known: unitKnown,
		place: 49, header: "UNIT", width: 24,
		text: appendUnitText, fields: unitFields,
	},
	{
		Name: "path", long: true, Help: "absolute path of the name that was passed", aliases: []string{"fullpath", "full-path"}, Needs: event.Path, OnDemand: true,
		place: 140, header: "PATH", width: maxWidth,
		text:   appendPathText,
		fields: pathFields(),
	},
	{
		Name: "realpath", long: true, Help: "path of the file that was opened, links followed", aliases: []string{"resolved"}, Needs: event.File, OnDemand: true, known: fileKnown,
		place: 150, header: "REALPATH", width: maxWidth,
		text: func(_ *rows, b []byte, e *event.Event) []byte {
			if e.Real.Problem == event.PathNone {
				return append(b, '-')
			}
			return appendPlace(b, &e.Real, 0)
		},
		fields: placeFields("realpath", event.File, func(e *event.Event) *event.Place { return &e.Real }),
	},
	{
		Name: "exe", long: true, Help: "path of the program that opens", aliases: []string{"program"}, Needs: event.Exe, OnDemand: true,
		place: 57, origin: true, header: "EXE", width: 24,
		text: func(_ *rows, b []byte, e *event.Event) []byte {
			if e.Exe.Problem == event.PathNone {
				return append(b, '-')
			}
			return appendPlace(b, &e.Exe, 0)
		},
		fields: placeFields("exe", event.Exe, func(e *event.Event) *event.Place { return &e.Exe }),
	},
	{
		Name: "dev", Help: "device of the opened file's file system", aliases: []string{"device"}, Needs: event.File, OnDemand: true, known: fileKnown,
		place: 122, header: "DEV", width: 7,
		text: ifOpened(mayDiffer(appendDev)),
		fields: []field{
			{name: "dev", known: opened, value: appendDev},
			{name: "stat_differs", kind: number, optional: true, known: statDiffers, value: appendTrue},
		},
	},
	{
		Name: "inode", Help: "inode of the opened file", aliases: []string{"ino"}, Needs: event.File, OnDemand: true, known: fileKnown,
		place: 124, header: "INODE", width: 9,
		text: ifOpened(mayDiffer(appendInode)),
		fields: []field{
			{name: "inode", kind: number, known: opened, value: appendInode},
			{name: "inode_text", optional: true, known: func(e *event.Event) bool { return opened(e) && e.Inode > exactMax }, value: appendInode},
		},
	},
	{
		Name: "created", Help: "whether this open made the file", Needs: event.File, OnDemand: true, known: fileKnown,
		place: 126, header: "CREATED", width: 7,
		text:   ifOpened(appendCreated),
		fields: []field{{name: "created", kind: number, known: opened, value: appendCreated}},
	},
	{
		Name: "file", long: true, Help: "name of the file, as it was passed", aliases: []string{"name", "filename"},
		// Names' lengths differ too much for a width that suits all.
		place: 130, usual: true, header: "FILE", width: maxWidth,
		text: appendFile,
		fields: []field{
			{name: "file", known: nameKind(event.NameRead), value: appendName},
			exactIf("file", nameKind(event.NameRead), nameOf),
			{name: "exec", kind: number, optional: true, known: isExec, value: appendTrue},
			{name: "bad_address", optional: true, known: nameKind(event.NameBad), value: appendNameAddress},
			{name: "unread_address", optional: true, known: nameKind(event.NameUnseen), value: appendNameAddress},
			{name: "handle_address", optional: true, known: nameKind(event.NameHandle), value: appendNameAddress},
			{name: "file_known", optional: true, known: nameKind(event.NameUnsure), value: appendName},
			exactIf("file_known", nameKind(event.NameUnsure), nameOf),
			{name: "file_problem", optional: true, known: nameKind(event.NameUnsure), value: appendNameProblem},
		},
	},
}
