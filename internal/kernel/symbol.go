package kernel

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// wholeCopy matches what a compiler adds to the name of a function for a copy that
// is all of it, or nothing.
var wholeCopy = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(\.(isra|constprop|llvm)\.[0-9]+)*$`) })

// FindSymbol looks in a kernel's symbol table, in the form of /proc/kallsyms, for
// the function name. It is static, and so a compiler may have given it a suffix
// (.isra.N, .constprop.N, .llvm.N). A copy that is only a part of it (.part.N,
// .cold) does not count, and where there is more than one whole copy, no single one
// sees every open: both are errors.
func FindSymbol(kallsyms io.Reader, name string) (string, error) {
	var found []string
	lines := bufio.NewScanner(kallsyms)
	for lines.Scan() {
		// "ffffffff816b7430 t do_sys_openat2", and " [module]" behind a module's.
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || !strings.EqualFold(fields[1], "t") {
			continue
		}
		suffix, ok := strings.CutPrefix(fields[2], name)
		if ok && wholeCopy().MatchString(suffix) && !slices.Contains(found, fields[2]) {
			found = append(found, fields[2])
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("reading the kernel's symbols: %w", err)
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("this kernel has no function %s", name)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("this kernel has several copies of %s (%s), and no single one sees every open", name, strings.Join(found, ", "))
}

// CurrentSymbol looks for the function name in the running kernel. It takes some 10 ms:
// the table is large.
func CurrentSymbol(name string) (string, error) {
	kallsyms, err := os.Open("/proc/kallsyms")
	if err != nil {
		return "", fmt.Errorf("reading the kernel's symbols: %w", err)
	}
	defer kallsyms.Close()
	return FindSymbol(kallsyms, name)
}
