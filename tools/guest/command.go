package guest

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// commandScript returns the shell script that becomes the command, with the
// host's shell: busybox would prefer its own ls to the host's. Setsid gives the
// command a session and process group of its own, as those it would get from the
// first process belong to the kernel.
func commandScript(c Config) (string, error) {
	if len(c.Command) == 0 {
		return "", errors.New("no command to run")
	}
	dir := c.Dir
	if dir == "" {
		dir = "/"
	}
	if !filepath.IsAbs(dir) {
		return "", fmt.Errorf("the command's folder %q is not an absolute path", dir)
	}
	words := []string{"exec env -i"}
	for _, v := range c.Env {
		if !strings.Contains(v, "=") {
			return "", fmt.Errorf("%q in the environment is not NAME=value", v)
		}
		words = append(words, quote(v))
	}
	words = append(words, `"$setsid"`)
	for _, arg := range c.Command {
		words = append(words, quote(arg))
	}
	script := "PATH=/usr/bin:/bin\nsetsid=$(command -v setsid) || exit 127\ncd " + quote(dir) + " || exit 126\n" + strings.Join(words, " \\\n\t") + "\n"
	if strings.ContainsRune(script, 0) {
		return "", errors.New("the command, its folder or its environment holds a zero byte")
	}
	return script, nil
}

// quote makes one word of a shell script out of any bytes but zero.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
