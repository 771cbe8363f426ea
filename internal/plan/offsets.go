package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
)

// member asks where one is in a kernel structure.
func member(macro, structure string, path ...string) kernel.Fact {
	return kernel.Fact{Macro: macro, Structure: structure, Members: path}
}

// optional is the same of one that may not be there.
func optional(macro, structure string, path ...string) kernel.Fact {
	f := member(macro, structure, path...)
	f.Optional = true
	return f
}

// A described field is one that needs the kernel's description of its types.
type fieldMember struct {
	field   event.Fields
	what    string
	members []kernel.Fact
}

// namesOfFiles are what the names of files that are in no folder need.
var namesOfFiles = []kernel.Fact{
	member("FILE_INODE", "file", "f_inode"),
	member("INODE_SB", "inode", "i_sb"),
	member("SB_FLAGS", "super_block", "s_flags"),
	member("SB_TYPE", "super_block", "s_type"),
	member("TYPE_NAME", "file_system_type", "name"),
	member("DENTRY_OPS", "dentry", "d_op"),
	member("OPS_DNAME", "dentry_operations", "d_dname"),
	member("INODE_PRIVATE", "inode", "i_private"),
	optional("NS_OPS", "ns_common", "ops"),
	optional("NS_OPS_NAME", "proc_ns_operations", "name"),
}

// numbers are those of event.Numbers that members lead to.
func numbers() (all []fieldMember) {
	for _, n := range event.Numbers {
		if n.Members == nil {
			continue
		}
		d := fieldMember{n.Field, n.What, nil}
		for i, m := range n.Members {
			structure, path, _ := strings.Cut(m, ".")
			f := member(event.MemberMacro(m), structure, strings.Split(path, ".")...)
			f.Optional = i == len(n.Members)-1 && n.Unread != 0
			d.members = append(d.members, f)
		}
		all = append(all, d)
	}
	return all
}

// fieldMembers are all there are.
var fieldMembers = append(numbers(), []fieldMember{
	{event.Process, "the process's own name", []kernel.Fact{
		member("TASK_GROUP_LEADER", "task_struct", "group_leader"),
		member("TASK_COMM", "task_struct", "comm"),
	}},
	{event.PComm, "the parent's name", []kernel.Fact{
		member("TASK_REAL_PARENT", "task_struct", "real_parent"),
		member("TASK_GROUP_LEADER", "task_struct", "group_leader"),
		member("TASK_COMM", "task_struct", "comm"),
	}},
	{event.Path, "the absolute path", []kernel.Fact{
		member("TASK_FS", "task_struct", "fs"),
		member("TASK_FILES", "task_struct", "files"),
		member("TASK_NSPROXY", "task_struct", "nsproxy"),
		member("NSPROXY_MNT_NS", "nsproxy", "mnt_ns"),
		member("FS_USERS", "fs_struct", "users"),
		member("FS_SEQ", "fs_struct", "seq"),
		member("FS_ROOT", "fs_struct", "root"),
		member("FS_PWD", "fs_struct", "pwd"),
		member("FILES_COUNT", "files_struct", "count"),
		member("FILES_FDT", "files_struct", "fdt"),
		member("FDT_MAX", "fdtable", "max_fds"),
		member("FDT_FD", "fdtable", "fd"),
		member("FILE_PATH", "file", "f_path"),
		member("MOUNT_PARENT", "mount", "mnt_parent"),
		member("MOUNT_MOUNTPOINT", "mount", "mnt_mountpoint"),
		member("MOUNT_MNT", "mount", "mnt"),
		member("MOUNT_ROOT", "mount", "mnt", "mnt_root"),
		member("MOUNT_NS", "mount", "mnt_ns"),
		member("DENTRY_SEQ", "dentry", "d_seq"),
		member("DENTRY_PPREV", "dentry", "d_hash", "pprev"),
		member("DENTRY_PARENT", "dentry", "d_parent"),
		member("DENTRY_LEN", "dentry", "d_name", "len"),
		member("DENTRY_NAME", "dentry", "d_name", "name"),
		member("DENTRY_INAME", "dentry", "d_iname"),
	}},
	{event.Cgroup, "the container", []kernel.Fact{
		member("CGROUP_KN", "cgroup", "kn"),
		member("CGROUP_ROOT", "cgroup", "root"),
		member("CGROUP_ROOT_ID", "cgroup_root", "hierarchy_id"),
		member("KERNFS_ID", "kernfs_node", "id"),
		member("TASK_NSPROXY", "task_struct", "nsproxy"),
		member("NSPROXY_CGROUP_NS", "nsproxy", "cgroup_ns"),
		member("CGROUP_NS_INUM", "cgroup_namespace", "ns", "inum"),
	}},
	{event.Ancestry, "what a process descends from", []kernel.Fact{
		member("TASK_TGID", "task_struct", "tgid"),
		member("TASK_REAL_PARENT", "task_struct", "real_parent"),
		member("TASK_GROUP_LEADER", "task_struct", "group_leader"),
		member("TASK_COMM", "task_struct", "comm"),
	}},
	{event.Args, "the arguments of a program", []kernel.Fact{
		member("TASK_TGID", "task_struct", "tgid"),
		member("TASK_MM", "task_struct", "mm"),
		member("MM_ARG_START", "mm_struct", "arg_start"),
		member("MM_ARG_END", "mm_struct", "arg_end"),
	}},
	{event.Exe, "the program of a process", []kernel.Fact{
		member("TASK_MM", "task_struct", "mm"),
		member("MM_EXE_FILE", "mm_struct", "exe_file"),
	}},
	{event.Exe, "the program of a process", namesOfFiles},
	{event.File, "the file that was opened", namesOfFiles},
	{event.File, "the file that was opened", []kernel.Fact{
		member("FILE_MODE", "file", "f_mode"),
		member("FILE_FLAGS", "file", "f_flags"),
		member("INODE_INO", "inode", "i_ino"),
		member("SB_DEV", "super_block", "s_dev"),
		member("INODE_MODE", "inode", "i_mode"),
		member("SB_INFO", "super_block", "s_fs_info"),
		member("SB_DEPTH", "super_block", "s_stack_depth"),
		optional("BTRFS_VFS_INODE", "btrfs_inode", "vfs_inode"),
		optional("BTRFS_INODE_ROOT", "btrfs_inode", "root"),
		optional("BTRFS_ROOT_DEV", "btrfs_root", "anon_dev"),
		member("DENTRY_INODE", "dentry", "d_inode"),
		optional("OVERLAY_XINO", "ovl_fs", "xino_mode"),
		optional("OVERLAY_VFS_INODE", "ovl_inode", "vfs_inode"),
		optional("OVERLAY_FLAGS", "ovl_inode", "flags"),
		optional("OVERLAY_UPPER", "ovl_inode", "__upperdentry"),
	}},
}...)

// membersOf returns those that such a field needs.
func membersOf(field event.Fields) []kernel.Fact {
	i := slices.IndexFunc(fieldMembers, func(d fieldMember) bool { return d.field == field })
	return fieldMembers[i].members
}

// membersOfMountNamespaces are those that a filter by mount namespaces needs.
var membersOfMountNamespaces = []kernel.Fact{
	member("TASK_NSPROXY", "task_struct", "nsproxy"),
	member("NSPROXY_MNT_NS", "nsproxy", "mnt_ns"),
	member("MNT_NS_INUM", "mnt_namespace", "ns", "inum"),
}

// membersOfExecs are those that files need that are opened to execute programs.
var membersOfExecs = []kernel.Fact{
	member("BPRM_FILENAME", "linux_binprm", "filename"),
	member("BPRM_INTERP", "linux_binprm", "interp"),
}

// membersOfEnds are those that seeing processes end needs.
var membersOfEnds = []kernel.Fact{
	member("TASK_SIGNAL", "task_struct", "signal"),
	member("SIGNAL_LIVE", "signal_struct", "live"),
}

// membersOfFollowing are those that following processes needs.
var membersOfFollowing = append([]kernel.Fact{member("TASK_TGID", "task_struct", "tgid")}, membersOfEnds...)

// views are what it takes to read the kernel's memory by plain loads (opensnoop/task.h).
var views = []kernel.Fact{
	{Macro: "RDONLY_CAST", Function: "bpf_rdonly_cast", Optional: true},
	{Macro: "VIEW_TYPE", Structure: "pt_regs", Optional: true},
}

// noOffsets are the macros of all offsets and types' numbers, as they are where there are none.
func noOffsets() (macros []string) {
	members := slices.Concat(views, others, membersOfMountNamespaces, membersOfExecs, membersOfFollowing)
	for _, d := range fieldMembers {
		members = append(members, d.members...)
	}
	for _, f := range members {
		macros = append(macros, f.Macro+kernel.Missing)
	}
	return macros
}

// The comm is copied by a helper where its place is not known, for some 150 instructions. How often a file
// is held is another member since Linux 6.13.
var (
	taskComm     = optional("TASK_COMM", "task_struct", "comm")
	taskRetStack = optional("TASK_RET_STACK", "task_struct", "ret_stack")
	filesHeld    = []kernel.Fact{optional("FILE_COUNT", "file", "f_count"), optional("FILE_REF", "file", "f_ref")}
	others       = append([]kernel.Fact{taskComm, taskRetStack}, filesHeld...)
)

// typesFor are what the kernel's types are to tell for a plan.
func typesFor(p *Plan, f *kernel.Facts) []kernel.Fact {
	facts := []kernel.Fact{taskComm}
	if p.Probe.Unstacked && f.Version >= kernel.NewVersion(6, 14, 0) {
		facts = append(facts, taskRetStack)
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
