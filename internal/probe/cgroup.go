package probe

// Cgroups tells of cgroups as they are made.
var Cgroups = Hook{Program: "cgroup_made", Kind: RawTracepoint, At: []string{"cgroup_mkdir"}, Hidden: true}
