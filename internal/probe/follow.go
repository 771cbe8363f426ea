package probe

// Fork is the program that follows a process to those that it makes.
const Fork = "task_fork"

// Follow is what follows processes and all that descend from them.
var Follow = []Hook{
	{Program: "task_exit", Kind: RawTracepoint, At: []string{"sched_process_exit"}, Quiet: true},
	Forks,
}

// Forks sees all processes that are made.
var Forks = Hook{Program: Fork, Kind: RawTracepoint, At: []string{"sched_process_fork"}, Quiet: true}
