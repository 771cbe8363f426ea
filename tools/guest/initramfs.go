package guest

import (
	"bytes"
	"context"
	"debug/elf"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed init.sh
var initScript []byte

// buildInitramfs makes the archive that the guest starts from: busybox, modules,
// the init script, and the command. The file has no name any more, so that
// nothing is left behind however the run ends.
func buildInitramfs(ctx context.Context, k kernel, c Config) (*os.File, error) {
	script, err := commandScript(c)
	if err != nil {
		return nil, err
	}
	busybox, err := findBusybox(c.Root)
	if err != nil {
		return nil, err
	}
	modules, err := k.modules(ctx)
	if err != nil {
		return nil, err
	}

	root, err := os.MkdirTemp("", "guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(root)
	for _, folder := range []string{"bin", "modules"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			return nil, err
		}
	}
	names := []string{"bin", "modules"} // as cpio wants them, a folder before what it holds
	add := func(name string, content []byte) error {
		names = append(names, name)
		return os.WriteFile(filepath.Join(root, name), content, 0o755)
	}
	content, err := os.ReadFile(busybox)
	if err != nil {
		return nil, err
	}
	if err := add("bin/busybox", content); err != nil {
		return nil, err
	}
	if err := add("init", initScript); err != nil {
		return nil, err
	}
	if err := add("command", []byte(script)); err != nil {
		return nil, err
	}
	for i, file := range modules {
		content, err := readModule(ctx, file)
		if err != nil {
			return nil, err
		}
		plain, _, _ := strings.Cut(filepath.Base(file), ".ko")
		if err := add(fmt.Sprintf("modules/%02d-%s.ko", i, plain), content); err != nil {
			return nil, err
		}
	}
	return archive(ctx, root, names)
}

// archive puts files below root into a cpio archive, in the one format that the
// kernel reads.
func archive(ctx context.Context, root string, names []string) (_ *os.File, err error) {
	cpio, err := tool("cpio")
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "guest-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	if err := os.Remove(file.Name()); err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, cpio, "-o", "-H", "newc", "--quiet")
	cmd.Dir = root
	cmd.Stdin = strings.NewReader(strings.Join(names, "\n") + "\n")
	cmd.Stdout = file
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("cpio: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return file, nil
}

// findBusybox returns the path of a busybox that needs no libraries, in a guest's root.
func findBusybox(root string) (string, error) {
	if root != "/" {
		return filepath.Join(root, "bin/busybox"), nil
	}
	path, err := tool("busybox")
	if err != nil {
		return "", err
	}
	f, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading busybox: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return "", fmt.Errorf("%s needs libraries; install Debian's package %s", path, debianPackage["busybox"])
		}
	}
	return path, nil
}

// readModule returns a module's content, decompressed: the guest's insmod can't.
func readModule(ctx context.Context, file string) ([]byte, error) {
	busybox, err := tool("busybox")
	if err != nil {
		return nil, err
	}
	var unpack []string
	switch filepath.Ext(file) {
	case ".gz":
		unpack = []string{busybox, "zcat"}
	case ".xz":
		unpack = []string{busybox, "xzcat"}
	case ".zst":
		zstd, err := tool("zstd")
		if err != nil {
			return nil, err
		}
		unpack = []string{zstd, "-dc"}
	default:
		return os.ReadFile(file)
	}
	packed, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, unpack[0], unpack[1:]...)
	cmd.Stdin = bytes.NewReader(packed)
	content, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("decompressing %s: %w", file, withStderr(err))
	}
	return content, nil
}
