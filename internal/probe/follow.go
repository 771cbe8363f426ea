package probe

// Follow is what follows processes and all that descend from them.
var Follow = []Hook{
	{Program: "task_exit", Kind: RawTracepoint, At: []string{"sched_process_exit"}, Quiet: true},
	{Program: "task_fork", Kind: RawTracepoint, At: []string{"sched_process_fork"}, Quiet: true},
}
