package bcc

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"opensnoop/bpf"
)

// withoutMounting runs f in a thread that lacks CAP_SYS_ADMIN, with no folder
// but temporary to make others in. Only Go's side: libbcc has a thread of its own.
func withoutMounting(t *testing.T, temporary string, f func()) {
	t.Helper()
	t.Setenv("TMPDIR", temporary)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before [2]unix.CapUserData
	if err := unix.Capget(&header, &before[0]); err != nil {
		t.Fatal(err)
	}
	without := before
	without[0].Effective &^= 1 << unix.CAP_SYS_ADMIN
	if err := unix.Capset(&header, &without[0]); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Capset(&header, &before[0]); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// wantEmpty checks that a folder holds nothing.
func wantEmpty(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("left behind: %s", entry.Name())
	}
}

// checkFolder checks what libbcc would find in a folder.
func checkFolder(t *testing.T, f *headerFolder) {
	t.Helper()
	info, err := os.Stat(f.path + "/.")
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); mode != os.ModeDir|0o700 {
		t.Errorf("the folder's mode is %v", mode)
	}
	for name, want := range map[string]string{
		"include/linux/version.h":           "#define LINUX_VERSION_CODE 331775\n",
		"include/linux/kconfig.h":           "CONFIG_BPF_SYSCALL",
		"arch/arm64/include/asm/ptrace.h":   "struct pt_regs",
		"include/uapi/linux/../linux/bpf.h": "libbcc",
	} {
		text, err := os.ReadFile(filepath.Join(f.path, name))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: error %v, or no %q in it:\n%s", name, err, want, text)
		}
	}
}

const version5_15_255 = 5<<16 | 15<<8 | 255

func TestTemporaryHeaderFolder(t *testing.T) {
	temporary := t.TempDir()
	withoutMounting(t, temporary, func() {
		f, err := newHeaderFolder(bpf.Headers(), version5_15_255)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(f.path) != temporary {
			t.Errorf("the folder is %s, not in %s", f.path, temporary)
		}
		checkFolder(t, f)
		if err := f.remove(); err != nil {
			t.Error(err)
		}
	})
	wantEmpty(t, temporary)
}

func TestDetachedHeaderFolder(t *testing.T) {
	needBPF(t) // the rights to mount, which it needs, come along with those to trace
	before := descriptors(t)
	f, err := detachedFolder()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.fill(bpf.Headers(), version5_15_255); err != nil {
		t.Fatal(err)
	}
	checkFolder(t, f)
	if err := f.remove(); err != nil {
		t.Error(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// Headers that have no place for linux/version.h fail after the folder is made.
func TestHeaderFolderThatCannotBeFilledIsRemoved(t *testing.T) {
	broken := fstest.MapFS{"include/file": {Mode: 0o644}}
	before := descriptors(t)
	if _, err := newHeaderFolder(broken, version5_15_255); err == nil {
		t.Error("no error")
	}
	temporary := t.TempDir()
	withoutMounting(t, temporary, func() {
		if _, err := newHeaderFolder(broken, version5_15_255); err == nil {
			t.Error("no error")
		}
	})
	wantEmpty(t, temporary)
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestHeaderFolderNowhereToMake(t *testing.T) {
	withoutMounting(t, "/proc/nowhere", func() {
		_, err := newHeaderFolder(bpf.Headers(), version5_15_255)
		if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/proc/nowhere") {
			t.Errorf("error %v", err)
		}
	})
}
