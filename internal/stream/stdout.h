// SPDX-License-Identifier: Apache-2.0

// opensnoop_stdout_closed reports whether the process was started without a stdout.
int opensnoop_stdout_closed(void);
