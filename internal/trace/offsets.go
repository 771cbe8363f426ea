package trace

import (
	"errors"
	"fmt"
	"slices"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
)

// member asks where one is in a kernel structure.
func member(macro, structure string, path ...string) kernel.Fact {
	return kernel.Fact{Macro: macro, Structure: structure, Members: path}
}

// A described field is one that needs the kernel's description of its types.
type described struct {
	field   event.Fields
	what    string
	members []kernel.Fact
}

// allDescribed are all there are.
var allDescribed = []described{
	{event.PPID, "the parent's process id", []kernel.Fact{
		member("TASK_REAL_PARENT", "task_struct", "real_parent"),
		member("TASK_TGID", "task_struct", "tgid"),
	}},
	{event.EUID, "the effective user id", []kernel.Fact{
		member("TASK_CRED", "task_struct", "cred"),
		member("CRED_EUID", "cred", "euid"),
	}},
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
	{event.File, "the file that was opened", []kernel.Fact{
		member("FILE_INODE", "file", "f_inode"),
		member("FILE_MODE", "file", "f_mode"),
		member("INODE_SB", "inode", "i_sb"),
		member("INODE_INO", "inode", "i_ino"),
		member("SB_DEV", "super_block", "s_dev"),
		member("SB_FLAGS", "super_block", "s_flags"),
		member("SB_TYPE", "super_block", "s_type"),
		member("TYPE_NAME", "file_system_type", "name"),
	}},
}

// membersOf returns those that such a field needs.
func membersOf(field event.Fields) []kernel.Fact {
	i := slices.IndexFunc(allDescribed, func(d described) bool { return d.field == field })
	return allDescribed[i].members
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

// membersOfFollowing are those that following processes needs.
var membersOfFollowing = []kernel.Fact{
	member("TASK_TGID", "task_struct", "tgid"),
	member("TASK_SIGNAL", "task_struct", "signal"),
	member("SIGNAL_LIVE", "signal_struct", "live"),
}

// factsFor are where the members of the kernel's structures are that these fields and filters
// need, and what else its types are to tell.
func factsFor(fields event.Fields, o *Options, version kernel.Version) []kernel.Fact {
	// Where its place is not known, a helper copies it, for some 150 instructions.
	comm := member("TASK_COMM", "task_struct", "comm")
	comm.Optional = true
	members := []kernel.Fact{comm}
	f := &o.Filter
	if o.Execs {
		members = append(members, membersOfExecs...)
	}
	for _, d := range allDescribed {
		if fields.Has(d.field) {
			members = append(members, d.members...)
		}
	}
	if f.MountNamespaces != "" {
		members = append(members, membersOfMountNamespaces...)
	}
	if len(f.EUIDs) > 0 {
		members = append(members, membersOf(event.EUID)...)
	}
	if len(f.Roots) > 0 {
		members = append(members, membersOfFollowing...)
	}
	if len(f.Comms)+len(f.ExcludedComms) > 0 && Supports(event.Process) == nil {
		members = append(members, membersOf(event.Process)...)
	}
	// Of those between Linux 6.12 and 6.18 only their types tell.
	if fields.Has(event.Result) && version >= kernel.NewVersion(6, 13, 0) && version < kernel.NewVersion(6, 18, 0) {
		members = append(members, kernel.Fact{Macro: "URING_COMPLETE_ARGUMENTS", Tracepoint: "io_uring_complete", Optional: true})
	}
	return members
}

// needed are fields of which a filter needs what they need, but not in records.
func needed(f *filter.Filter) event.Fields {
	if len(f.EUIDs) > 0 {
		return event.EUID
	}
	return 0
}

// CanShowExecs returns nil if files that are opened to execute programs can be shown here, else
// the reason.
func CanShowExecs() error {
	if err := kernel.DescribesTypes(); err != nil {
		return fmt.Errorf("programs that are executed cannot be shown, as %w", err)
	}
	return nil
}

// CanFollow returns nil if processes can be followed here, else the reason.
func CanFollow() error {
	if err := kernel.DescribesTypes(); err != nil {
		return fmt.Errorf("what processes start cannot be followed, as %w", err)
	}
	return nil
}

// Supports returns nil if events can have these fields here, else the reason.
func Supports(fields event.Fields) error {
	if _, foreign := kernel.CurrentPIDNamespace(); foreign && fields.Has(event.PPID) {
		return errors.New("the parent's process id cannot be told in a pid namespace, as of a container: leave out the column ppid, or run it on the host")
	}
	i := slices.IndexFunc(allDescribed, func(d described) bool { return fields.Has(d.field) })
	if i < 0 {
		return nil
	}
	if err := kernel.DescribesTypes(); err != nil {
		return fmt.Errorf("%s cannot be told, as %w", allDescribed[i].what, err)
	}
	return nil
}
