package trace

import (
	"errors"
	"fmt"
	"slices"

	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
)

// member is one of a kernel structure, whose offset a macro has.
type member struct {
	macro     string
	structure string
	path      []string
}

// A described field is one that needs the kernel's description of its types.
type described struct {
	field   event.Fields
	what    string
	members []member
}

// allDescribed are all there are.
var allDescribed = []described{
	{event.PPID, "the parent's process id", []member{
		{"TASK_REAL_PARENT", "task_struct", []string{"real_parent"}},
		{"TASK_TGID", "task_struct", []string{"tgid"}},
	}},
	{event.EUID, "the effective user id", []member{
		{"TASK_CRED", "task_struct", []string{"cred"}},
		{"CRED_EUID", "cred", []string{"euid"}},
	}},
	{event.Process, "the process's own name", []member{
		{"TASK_GROUP_LEADER", "task_struct", []string{"group_leader"}},
		{"TASK_COMM", "task_struct", []string{"comm"}},
	}},
	{event.PComm, "the parent's name", []member{
		{"TASK_REAL_PARENT", "task_struct", []string{"real_parent"}},
		{"TASK_GROUP_LEADER", "task_struct", []string{"group_leader"}},
		{"TASK_COMM", "task_struct", []string{"comm"}},
	}},
	{event.Path, "the absolute path", []member{
		{"TASK_FS", "task_struct", []string{"fs"}},
		{"TASK_FILES", "task_struct", []string{"files"}},
		{"TASK_NSPROXY", "task_struct", []string{"nsproxy"}},
		{"NSPROXY_MNT_NS", "nsproxy", []string{"mnt_ns"}},
		{"FS_USERS", "fs_struct", []string{"users"}},
		{"FS_SEQ", "fs_struct", []string{"seq"}},
		{"FS_ROOT", "fs_struct", []string{"root"}},
		{"FS_PWD", "fs_struct", []string{"pwd"}},
		{"FILES_FDT", "files_struct", []string{"fdt"}},
		{"FDT_MAX", "fdtable", []string{"max_fds"}},
		{"FDT_FD", "fdtable", []string{"fd"}},
		{"FILE_PATH", "file", []string{"f_path"}},
		{"MOUNT_PARENT", "mount", []string{"mnt_parent"}},
		{"MOUNT_MOUNTPOINT", "mount", []string{"mnt_mountpoint"}},
		{"MOUNT_MNT", "mount", []string{"mnt"}},
		{"MOUNT_ROOT", "mount", []string{"mnt", "mnt_root"}},
		{"MOUNT_NS", "mount", []string{"mnt_ns"}},
		{"DENTRY_SEQ", "dentry", []string{"d_seq"}},
		{"DENTRY_PPREV", "dentry", []string{"d_hash", "pprev"}},
		{"DENTRY_PARENT", "dentry", []string{"d_parent"}},
		{"DENTRY_LEN", "dentry", []string{"d_name", "len"}},
		{"DENTRY_NAME", "dentry", []string{"d_name", "name"}},
		{"DENTRY_INAME", "dentry", []string{"d_iname"}},
	}},
	{event.Cgroup, "the container", []member{
		{"CGROUP_KN", "cgroup", []string{"kn"}},
		{"CGROUP_ROOT", "cgroup", []string{"root"}},
		{"CGROUP_ROOT_ID", "cgroup_root", []string{"hierarchy_id"}},
		{"KERNFS_ID", "kernfs_node", []string{"id"}},
	}},
	{event.Args, "the arguments of a program", []member{
		{"TASK_TGID", "task_struct", []string{"tgid"}},
		{"TASK_MM", "task_struct", []string{"mm"}},
		{"MM_ARG_START", "mm_struct", []string{"arg_start"}},
		{"MM_ARG_END", "mm_struct", []string{"arg_end"}},
	}},
	{event.Exe, "the program of a process", []member{
		{"TASK_MM", "task_struct", []string{"mm"}},
		{"MM_EXE_FILE", "mm_struct", []string{"exe_file"}},
	}},
	{event.File, "the file that was opened", []member{
		{"FILE_INODE", "file", []string{"f_inode"}},
		{"FILE_MODE", "file", []string{"f_mode"}},
		{"INODE_SB", "inode", []string{"i_sb"}},
		{"INODE_INO", "inode", []string{"i_ino"}},
		{"SB_DEV", "super_block", []string{"s_dev"}},
		{"SB_FLAGS", "super_block", []string{"s_flags"}},
		{"SB_TYPE", "super_block", []string{"s_type"}},
		{"TYPE_NAME", "file_system_type", []string{"name"}},
	}},
}

// membersOf returns those that such a field needs.
func membersOf(field event.Fields) []member {
	i := slices.IndexFunc(allDescribed, func(d described) bool { return d.field == field })
	return allDescribed[i].members
}

// membersOfMountNamespaces are those that a filter by mount namespaces needs.
var membersOfMountNamespaces = []member{
	{"TASK_NSPROXY", "task_struct", []string{"nsproxy"}},
	{"NSPROXY_MNT_NS", "nsproxy", []string{"mnt_ns"}},
	{"MNT_NS_INUM", "mnt_namespace", []string{"ns", "inum"}},
}

// membersOfExecs are those that files need that are opened to execute programs.
var membersOfExecs = []member{
	{"BPRM_FILENAME", "linux_binprm", []string{"filename"}},
	{"BPRM_INTERP", "linux_binprm", []string{"interp"}},
}

// membersOfFollowing are those that following processes needs.
var membersOfFollowing = []member{
	{"TASK_TGID", "task_struct", []string{"tgid"}},
	{"TASK_SIGNAL", "task_struct", []string{"signal"}},
	{"SIGNAL_LIVE", "signal_struct", []string{"live"}},
}

// renamed are members that have another name in newer kernels.
var renamed = map[string]string{
	"d_iname": "d_shortname", // Linux 6.14
}

// offsetsFor defines where the members of the kernel's structures are that these fields
// and filters need.
func offsetsFor(fields event.Fields, o *Options) ([]string, error) {
	var members []member
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
	if len(members) == 0 {
		return nil, nil
	}
	types, err := kernel.LoadTypes()
	if err != nil {
		return nil, err
	}
	var macros []string
	for _, m := range members {
		offset, err := types.Offset(m.structure, m.path...)
		if err != nil && renamed[m.path[0]] != "" {
			offset, err = types.Offset(m.structure, renamed[m.path[0]])
		}
		if err != nil {
			return nil, err
		}
		macros = append(macros, fmt.Sprintf("%s=%d", m.macro, offset))
	}
	return macros, nil
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
