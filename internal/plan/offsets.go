package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
)

// members asks where members of kernel structures are, such as "fs_struct.pwd", whose macro is FS_PWD. Another
// macro stands before them: "FDT_MAX=fdtable.max_fds".
func members(names ...string) (facts []kernel.Fact) {
	for _, name := range names {
		macro, path, given := strings.Cut(name, "=")
		if !given {
			macro, path = event.MemberMacro(name), name
		}
		parts := strings.Split(path, ".")
		facts = append(facts, kernel.Fact{Macro: macro, Structure: parts[0], Members: parts[1:]})
	}
	return facts
}

// optional is the same of members that may not be there.
func optional(names ...string) []kernel.Fact {
	facts := members(names...)
	for i := range facts {
		facts[i].Optional = true
	}
	return facts
}

// A fieldMember is a field that needs the kernel's description of its types, and what members it takes.
type fieldMember struct {
	field   event.Fields
	what    string
	members []kernel.Fact
}

// namesOfFiles are what the names of files that are in no folder need.
var namesOfFiles = append(members(
	"FILE_INODE=file.f_inode", "INODE_SB=inode.i_sb", "SB_FLAGS=super_block.s_flags", "SB_TYPE=super_block.s_type",
	"TYPE_NAME=file_system_type.name", "DENTRY_OPS=dentry.d_op", "OPS_DNAME=dentry_operations.d_dname",
	"INODE_PRIVATE=inode.i_private",
), optional("NS_OPS=ns_common.ops", "NS_OPS_NAME=proc_ns_operations.name")...)

// numbers are those of event.Numbers that members lead to.
func numbers() (all []fieldMember) {
	for _, n := range event.Numbers {
		if n.Members == nil {
			continue
		}
		d := fieldMember{n.Field, n.What, members(n.Members...)}
		d.members[len(d.members)-1].Optional = n.Unread != 0
		all = append(all, d)
	}
	return all
}

// fieldMembers are all there are.
var fieldMembers = append(numbers(), []fieldMember{
	{event.Process, "the process's own name", members("task_struct.group_leader", "task_struct.comm")},
	{event.PComm, "the parent's name", members("task_struct.real_parent", "task_struct.group_leader", "task_struct.comm")},
	{event.Path, "the absolute path", members(
		"task_struct.fs", "task_struct.files", "task_struct.nsproxy", "nsproxy.mnt_ns", "fs_struct.users",
		"fs_struct.seq", "fs_struct.root", "fs_struct.pwd", "files_struct.count", "files_struct.fdt",
		"FDT_MAX=fdtable.max_fds", "FDT_FD=fdtable.fd", "FILE_PATH=file.f_path", "MOUNT_PARENT=mount.mnt_parent",
		"MOUNT_MOUNTPOINT=mount.mnt_mountpoint", "mount.mnt", "MOUNT_ROOT=mount.mnt.mnt_root",
		"MOUNT_NS=mount.mnt_ns", "DENTRY_SEQ=dentry.d_seq", "DENTRY_PPREV=dentry.d_hash.pprev",
		"DENTRY_PARENT=dentry.d_parent", "DENTRY_LEN=dentry.d_name.len", "DENTRY_NAME=dentry.d_name.name",
		"DENTRY_INAME=dentry.d_iname",
	)},
	{event.Cgroup, "the container", members(
		"cgroup.kn", "cgroup.root", "CGROUP_ROOT_ID=cgroup_root.hierarchy_id", "KERNFS_ID=kernfs_node.id",
		"task_struct.nsproxy", "nsproxy.cgroup_ns", "CGROUP_NS_INUM=cgroup_namespace.ns.inum",
	)},
	{event.Ancestry, "what a process descends from", members("task_struct.tgid", "task_struct.real_parent", "task_struct.group_leader", "task_struct.comm")},
	{event.Args, "the arguments of a program", members("task_struct.tgid", "task_struct.mm", "mm_struct.arg_start", "mm_struct.arg_end")},
	{event.Exe, "the program of a process", members("task_struct.mm", "mm_struct.exe_file")},
	{event.Exe, "the program of a process", namesOfFiles},
	{event.File, "the file that was opened", namesOfFiles},
	{event.File, "the file that was opened", append(members(
		"FILE_MODE=file.f_mode", "FILE_FLAGS=file.f_flags", "INODE_INO=inode.i_ino", "SB_DEV=super_block.s_dev",
		"INODE_MODE=inode.i_mode", "SB_INFO=super_block.s_fs_info", "SB_DEPTH=super_block.s_stack_depth",
		"DENTRY_INODE=dentry.d_inode",
	), optional(
		"BTRFS_VFS_INODE=btrfs_inode.vfs_inode", "btrfs_inode.root", "BTRFS_ROOT_DEV=btrfs_root.anon_dev",
		"OVERLAY_XINO=ovl_fs.xino_mode", "OVERLAY_VFS_INODE=ovl_inode.vfs_inode", "OVERLAY_FLAGS=ovl_inode.flags",
		"OVERLAY_UPPER=ovl_inode.__upperdentry",
	)...)},
}...)

// membersOf returns those that such a field needs.
func membersOf(field event.Fields) []kernel.Fact {
	i := slices.IndexFunc(fieldMembers, func(d fieldMember) bool { return d.field == field })
	return fieldMembers[i].members
}

// membersOfMountNamespaces are those that a filter by mount namespaces needs.
var membersOfMountNamespaces = members("task_struct.nsproxy", "nsproxy.mnt_ns", "MNT_NS_INUM=mnt_namespace.ns.inum")

// membersOfExecs are those that files need that are opened to execute programs.
var membersOfExecs = members("BPRM_FILENAME=linux_binprm.filename", "BPRM_INTERP=linux_binprm.interp")

// membersOfEnds are those that seeing processes end needs.
var membersOfEnds = members("task_struct.signal", "signal_struct.live")

// membersOfFollowing are those that following processes needs.
var membersOfFollowing = append(members("task_struct.tgid"), membersOfEnds...)

// views are what it takes to read the kernel's memory by plain loads (opensnoop/task.h).
var views = []kernel.Fact{
	{Macro: "RDONLY_CAST", Function: "bpf_rdonly_cast", Optional: true},
	{Macro: "VIEW_TYPE", Structure: "pt_regs", Optional: true},
}

// noOffsets are the macros of all offsets and types' numbers, as they are where there are none.
func noOffsets() (macros []string) {
	all := slices.Concat(views, others, membersOfMountNamespaces, membersOfExecs, membersOfFollowing)
	for _, d := range fieldMembers {
		all = append(all, d.members...)
	}
	for _, f := range all {
		macros = append(macros, f.Macro+kernel.Missing)
	}
	return macros
}

// The comm is copied by a helper where its place is not known, for some 150 instructions. How often a file
// is held is another member since Linux 6.13.
var (
	taskComm     = optional("task_struct.comm")
	taskRetStack = optional("task_struct.ret_stack")
	filesHeld    = optional("FILE_COUNT=file.f_count", "FILE_REF=file.f_ref")
	others       = slices.Concat(taskComm, taskRetStack, filesHeld)
)

// typesFor are what the kernel's types are to tell for a plan.
func typesFor(p *Plan, f *kernel.Facts) []kernel.Fact {
	facts := slices.Clone(taskComm)
	if p.Probe.Unstacked && f.Version >= kernel.NewVersion(6, 14, 0) {
		facts = append(facts, taskRetStack...)
	}
	if p.Execs {
		facts = append(facts, membersOfExecs...)
	}
	for _, d := range fieldMembers {
		compared := p.Filter.Compared().Has(d.field)
		if !compared && !p.Fields.Has(d.field) {
			continue
		}
		for _, f := range d.members {
			f.Optional = f.Optional && !compared
			facts = append(facts, f)
		}
	}
	if p.Filter.MountNamespaces != "" {
		facts = append(facts, membersOfMountNamespaces...)
	}
	if p.Fields.Has(event.Path) {
		facts = append(facts, filesHeld...)
	}
	if f.Functions && (p.Fields.Has(event.Path) || p.Results() && p.seesNames()) {
		facts = append(facts, views...)
	}
	if len(p.Filter.Roots) > 0 {
		facts = append(facts, membersOfFollowing...)
	}
	if p.Ends != nil {
		facts = append(facts, membersOfEnds...)
	}
	if len(p.Filter.Comms)+len(p.Filter.ExcludedComms) > 0 && f.Types == nil {
		facts = append(facts, membersOf(event.Process)...)
	}
	// Of those between Linux 6.12 and 6.18 only their types tell.
	if p.Results() && f.Version >= kernel.NewVersion(6, 13, 0) && f.Version < kernel.NewVersion(6, 18, 0) {
		facts = append(facts, kernel.Fact{Macro: "URING_COMPLETE_ARGUMENTS", Tracepoint: "io_uring_complete", Optional: true})
	}
	return facts
}

// check returns an error if the kernel cannot tell what is asked for.
func check(o *Options, fields event.Fields, f *kernel.Facts) error {
	if o.Execs {
		if err := CanShowExecs(f); err != nil {
			return err
		}
	}
	if len(o.Filter.Roots) > 0 {
		if err := CanFollow(f); err != nil {
			return err
		}
		if o.Filter.RootsExcluded && f.Namespace != (kernel.PIDNamespace{}) {
			return errors.New("in a pid namespace the rows' readers cannot be told: run on the host, or without --exclude-pipeline")
		}
		if o.Filter.Running && f.Namespace != (kernel.PIDNamespace{}) {
			return errors.New("in a pid namespace running processes cannot be followed: run it on the host, or trace a command (--)")
		}
	}
	return Supports(fields|o.Filter.Compared(), f)
}

// CanShowExecs returns nil if files that are opened to execute programs can be shown, else the
// reason.
func CanShowExecs(f *kernel.Facts) error {
	if f.Types != nil {
		return fmt.Errorf("programs that are executed cannot be shown, as %w", f.Types)
	}
	return nil
}

// CanFollow returns nil if processes can be followed, else the reason.
func CanFollow(f *kernel.Facts) error {
	if f.Types != nil {
		return fmt.Errorf("what processes start cannot be followed, as %w", f.Types)
	}
	return nil
}

// Supports returns nil if events can have these fields, else the reason.
func Supports(fields event.Fields, f *kernel.Facts) error {
	if fields.Has(event.PPID) && f.Namespace != (kernel.PIDNamespace{}) {
		return errors.New("the parent's process id cannot be told in a pid namespace: leave out ppid, or run it on the host")
	}
	if fields.Has(event.Ancestry) && f.Namespace != (kernel.PIDNamespace{}) {
		return errors.New("ancestors cannot be told in a pid namespace: leave out the column and --under, or run on the host")
	}
	i := slices.IndexFunc(fieldMembers, func(d fieldMember) bool { return fields.Has(d.field) })
	if i < 0 || f.Types == nil {
		return nil
	}
	return fmt.Errorf("%s cannot be told, as %w", fieldMembers[i].what, f.Types)
}
