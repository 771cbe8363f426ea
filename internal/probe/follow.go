package probe

// Exits sees all threads that end.
var Exits = Hook{Program: "task_exit", Kind: RawTracepoint, At: []string{"sched_process_exit"}, Hidden: true}

// tracedForks and probedForks see all processes that are made.
var (
	tracedForks = Hook{Program: "task_fork", Kind: RawTracepoint, At: []string{"sched_process_fork"}, Hidden: true}
	probedForks = Hook{Program: "task_wake", Kind: Kprobe, At: []string{"wake_up_new_task"}, Hidden: true}
)
