package bpf_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

var order = binary.NativeEndian

// world is what the programs take for the kernel's memory, made up at random: the task is at its
// beginning, and has the folders and files of it.
type world struct {
	*runner
	end      int             // of what is used of memory
	names    map[string]bool // of folders, and kinds of file systems
	dentries []int
	mounts   []int
	top      []uint64 // mount, folder, mountpoint and what is mounted there; and where all changes are counted
}

// at is the offset of a member, by the name of its macro.
func at(macro string) int {
	offset, ok := offsetOf[macro]
	if !ok {
		panic(macro + " is no offset")
	}
	return offset
}

var offsetOf = func() map[string]int {
	all := make(map[string]int)
	for _, flag := range offsets {
		macro, value, _ := strings.Cut(strings.TrimPrefix(flag, "-D"), "=")
		all[macro], _ = strconv.Atoi(value)
	}
	return all
}()

const (
	filesCount = 16
	regsAt     = 512 // in the task
)

func makeWorld(r *runner) *world {
	w := &world{runner: r, names: map[string]bool{"": true}, end: 1024}
	clear(w.memory[:regsAt])
	for range 20 + w.random.IntN(300) {
		w.dentry()
	}
	for range 6 {
		w.mount()
	}
	mount := w.mounts[0]
	top := w.some(w.dentries[:2])
	w.top = []uint64{w.pointer(mount + at("MOUNT_MNT")), w.pointer(top), w.get(mount + at("MOUNT_MOUNTPOINT")), w.get(mount + at("MOUNT_ROOT")), 0}
	if w.random.IntN(2) == 0 {
		count := w.room(8)
		w.put32(count, uint32(w.random.IntN(4)))
		w.top[4] = w.pointer(count)
	}

	fs := w.room(128)
	w.put32(fs+at("FS_USERS"), uint32(w.random.IntN(3)))
	w.put32(fs+at("FS_SEQ"), uint32(w.random.IntN(4)))
	w.place(fs + at("FS_ROOT"))
	w.place(fs + at("FS_PWD"))
	if w.random.IntN(2) == 0 {
		w.put(fs+at("FS_ROOT"), w.top[0])
		w.put(fs+at("FS_ROOT")+8, w.top[1])
	}
	files, table, fds := w.room(64), w.room(64), w.room(8*filesCount)
	w.put(files+at("FILES_FDT"), w.pointer(table))
	w.put32(table+at("FDT_MAX"), filesCount)
	w.put(table+at("FDT_FD"), w.pointer(fds))
	for i := range filesCount {
		w.put(fds+8*i, w.pointer(w.file()))
	}
	mm := w.room(128)
	w.put(mm+at("MM_EXE_FILE"), w.pointer(w.file()))
	w.put(at("TASK_FS"), w.pointer(fs))
	w.put(at("TASK_FILES"), w.pointer(files))
	w.put(at("TASK_MM"), w.pointer(mm))
	w.put(at("TASK_NSPROXY"), w.pointer(w.room(64)))
	return w
}

// room is a place in memory that is not used yet, behind what is of another thing.
func (w *world) room(size int) int {
	start := w.end
	w.end += (size + 7) &^ 7
	clear(w.memory[start:w.end])
	return start
}

func (w *world) pointer(at int) uint64          { return w.base + uint64(at) }
func (w *world) get(at int) uint64              { return order.Uint64(w.memory[at:]) }
func (w *world) put(at int, value uint64)       { order.PutUint64(w.memory[at:], value) }
func (w *world) put32(at int, value uint32)     { order.PutUint32(w.memory[at:], value) }
func (w *world) some(of []int) int              { return of[w.random.IntN(len(of))] }
func (w *world) one(of ...func() uint64) uint64 { return of[w.random.IntN(len(of))]() }

// length is one of a name: mostly as they are, or at the limits.
func (w *world) length() int {
	switch w.random.IntN(12) {
	case 0:
		return w.random.IntN(3)
	case 1:
		return 30 + w.random.IntN(4)
	case 2:
		return 1020 + w.random.IntN(6)
	case 3:
		return w.random.IntN(1100)
	case 4, 5, 6:
		return 240 + w.random.IntN(16)
	}
	return 1 + w.random.IntN(40)
}

// text puts a name of that length into memory.
func (w *world) text(at, length int) string {
	name := bytes.Repeat([]byte{byte('a' + w.random.IntN(26))}, length)
	copy(name, fmt.Sprint(w.end))
	w.memory[at+copy(w.memory[at:], name)] = 0
	w.names[string(name)] = true
	return string(name)
}

func (w *world) dentry() {
	d := w.room(at("DENTRY_INAME") + 40)
	parent := d // of no other, as the top, or one that has been moved out of a mount
	if n := len(w.dentries); n > 0 && w.random.IntN(60) > 0 {
		parent = w.dentries[max(0, n-1-w.random.IntN(3))]
	}
	w.put32(d+at("DENTRY_SEQ"), 2*uint32(w.random.IntN(100)))
	if w.random.IntN(20) > 0 {
		w.put(d+at("DENTRY_PPREV"), w.pointer(d))
	}
	w.put(d+at("DENTRY_PARENT"), w.pointer(parent))
	length, name := w.length(), d+at("DENTRY_INAME")
	if length >= 32 {
		name = w.room(length + 1)
	}
	w.text(name, length)
	w.put(d+at("DENTRY_NAME"), w.pointer(name))
	w.put32(d+at("DENTRY_LEN"), uint32(length))
	switch w.random.IntN(300) {
	case 0:
		w.put32(d+at("DENTRY_LEN"), w.random.Uint32())
	case 1:
		w.put(d+at("DENTRY_NAME"), w.random.Uint64N(1<<32))
	case 2:
		w.put(d+at("DENTRY_OPS"), w.pointer(w.room(16)))
	case 3:
		ops := w.room(16)
		w.put(ops+at("OPS_DNAME"), 1)
		w.put(d+at("DENTRY_OPS"), w.pointer(ops))
	case 4:
		w.put(d+at("DENTRY_PARENT"), w.pointer(w.some(append(w.dentries, d)))) // may go round
	}
	w.dentries = append(w.dentries, d)
}

func (w *world) mount() {
	m := w.room(256)
	on := m
	if len(w.mounts) > 0 && w.random.IntN(10) > 0 {
		on = w.some(w.mounts)
	}
	w.put(m+at("MOUNT_PARENT"), w.pointer(on))
	w.put(m+at("MOUNT_MOUNTPOINT"), w.pointer(w.some(w.dentries)))
	w.put(m+at("MOUNT_ROOT"), w.pointer(w.some(w.dentries[:len(w.dentries)/2])))
	w.mounts = append(w.mounts, m)
}

// place puts a random folder of a random mount there.
func (w *world) place(to int) {
	w.put(to, w.pointer(w.some(w.mounts)+at("MOUNT_MNT")))
	w.put(to+8, w.pointer(w.some(w.dentries[len(w.dentries)/2:])))
}

// file is an opened one, at times of a file system of which nothing can be mounted.
func (w *world) file() int {
	file, inode, super, kind, name := w.room(128), w.room(128), w.room(128), w.room(8), w.room(48)
	w.place(file + at("FILE_PATH"))
	w.put(file+at("FILE_INODE"), w.pointer(inode))
	w.put(inode+at("INODE_SB"), w.pointer(super))
	w.put(inode+at("INODE_INO"), w.random.Uint64())
	if w.random.IntN(2) == 0 {
		w.put(super+at("SB_FLAGS"), 1<<31)
	}
	w.put(super+at("SB_TYPE"), w.pointer(kind))
	w.put(kind+at("TYPE_NAME"), w.pointer(name))
	text := w.text(name, w.random.IntN(40))
	if n := w.random.IntN(4); n < 2 {
		text = []string{"btrfs", "overlay"}[n]
		copy(w.memory[name:], text+"\x00")
		w.put(super+at("SB_INFO"), w.pointer(w.room(64)))
	}
	w.names[text[:min(len(text), 15)]] = true
	return file
}

// check returns an error if a walk has a name that is none of the world's.
func (w *world) check(what string, walk event.Walk) error {
	if len(walk.Components) == 0 {
		return nil
	}
	if walk.Components[len(walk.Components)-1] != 0 {
		return fmt.Errorf("%s: the walk has no end: %q", what, walk.Components)
	}
	for name := range bytes.SplitSeq(walk.Components[:len(walk.Components)-1], []byte{0}) {
		if !w.names[string(name)] {
			return fmt.Errorf("%s: no folder has the name %q, of a walk of %d bytes in state %#x", what, name, len(walk.Components), walk.State)
		}
	}
	return nil
}

// whileChanging calls f while another thread changes the world: pointers to anywhere in it or to
// nowhere, counts and names.
func (w *world) whileChanging(f func()) {
	done, begun, stopped := make(chan struct{}), make(chan struct{}), make(chan struct{})
	end, base, seed := w.end/8, w.base, w.random.Uint64()
	defer func() { close(done); <-stopped }()
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			if i == 1 {
				close(begun)
			}
			select {
			case <-done:
				return
			default:
			}
			for range 64 {
				seed = seed*6364136223846793005 + 1442695040888963407
				at := (*uint64)(unsafe.Pointer(&w.memory[8*(128+int(seed>>33)%(end-128))]))
				switch old := atomic.LoadUint64(at); {
				case old>>20 == base>>20:
					atomic.StoreUint64(at, base+seed>>40%uint64(8*end)&^7)
				case seed>>60 == 0:
					atomic.StoreUint64(at, 0)
				case old < 1<<48:
					atomic.StoreUint64(at, old^seed>>50)
				default:
					atomic.StoreUint64(at, seed>>7&0x3f3f3f3f3f3f3f3f)
				}
			}
		}
	}()
	<-begun
	f()
}

// aName puts a name where the programs read it, and returns its address; one that cannot be read
// until late.
func (w *world) aName() (address uint64, late bool) {
	page := len(w.user) / 16
	name := w.user[page:]
	address = uint64(uintptr(unsafe.Pointer(&name[0])))
	text := strings.Repeat("a/", 3000)
	switch w.random.IntN(6) {
	case 0:
		text = ""
	case 1:
		text = text[:4095]
	case 2:
		text = "/" + text[:w.random.IntN(4095)]
	case 3:
		text = text[:4095+w.random.IntN(100)] // one that the kernel cuts
	default:
		text = text[:w.random.IntN(200)]
	}
	name[copy(name, text)] = 0
	w.name = text[:min(len(text), 4095)]
	switch w.random.IntN(8) {
	case 0:
		return 8, false // in no memory
	case 1, 2:
		return address, true
	}
	return address, false
}

// readable sets whether names can be read.
func (w *world) readable(can bool) {
	protection := unix.PROT_NONE
	if can {
		protection = unix.PROT_READ | unix.PROT_WRITE
	}
	if err := unix.Mprotect(w.user, protection); err != nil {
		w.t.Fatal(err)
	}
}

// dfd is what a name is relative to.
func (w *world) dfd() uint64 {
	return w.one(func() uint64 { return 0xffffff9c }, func() uint64 { return 0xffffff9c }, func() uint64 { return uint64(w.random.IntN(filesCount + 2)) })
}

func (w *world) result() uint64 {
	return w.one(func() uint64 { return uint64(w.random.IntN(filesCount)) }, func() uint64 { return ^uint64(1) })
}

// how puts a struct open_how there.
func (w *world) how(b []byte) {
	order.PutUint64(b, uint64(w.random.IntN(1<<20)))
	order.PutUint64(b[8:], uint64(w.random.IntN(0o1000)))
	order.PutUint64(b[16:], uint64(w.random.IntN(2)*16)) // RESOLVE_IN_ROOT
}

// registers are where a call's are saved: those of arguments, the number and the result.
var registers = map[string]struct {
	arguments      [4]int
	number, result int
	openat         uint64
	lookups        []uint64 // newfstatat, readlinkat, statx, faccessat2
}{
	"amd64": {[4]int{112, 104, 96, 56}, 120, 80, 257, []uint64{262, 267, 332, 439}},
	"arm64": {[4]int{272, 8, 16, 24}, 280, 0, 56, []uint64{79, 78, 291, 439}},
}[runtime.GOARCH]

// systemCall makes a call of openat or openat2, or one that looks for a file.
func (r *runner) systemCall(w *world) {
	address, late := w.aName()
	const openat2 = 437
	nr := w.one(func() uint64 { return registers.openat }, func() uint64 { return openat2 })
	arguments := [4]uint64{w.dfd(), address, 0o2, 0o600}
	if len(r.shape.flags) > 0 && w.name != "" && w.random.IntN(3) > 0 { // else it may go by its descriptor alone
		nr = registers.lookups[w.random.IntN(4)]
	}
	if nr == openat2 {
		w.how(w.user)
		arguments[2] = uint64(uintptr(unsafe.Pointer(&w.user[0])))
	}
	for i, at := range registers.arguments {
		w.put(regsAt+at, arguments[i])
	}
	w.put(regsAt+registers.number, nr)
	w.readable(!late)
	r.run("syscall_enter", w.pointer(regsAt), nr)
	w.readable(true)
	result := w.result()
	w.put(regsAt+registers.result, result)
	r.run("syscall_exit", w.pointer(regsAt), result)
}

// request makes one of io_uring: a struct io_kiocb.
func (r *runner) request(w *world) {
	req, filename := w.room(128), w.room(4096+128)
	w.aName()
	name := w.room(6008)
	copy(w.memory[name:name+6000], w.name+"\x00")
	w.put(filename, w.pointer(name))
	w.put(req+8, w.dfd())
	w.put(req+16, w.pointer(filename))
	w.how(w.memory[req+24 : req+48])
	w.memory[req+64] = 28 // IORING_OP_OPENAT2
	r.run("uring_submit", w.pointer(req))
	r.run("uring_complete", 0, w.pointer(req), 0, w.result())
}

// kernelCall is a call of the kernel's open function, with the kernel's copy of a name that is not in
// the program's memory.
func (r *runner) kernelCall(w *world) {
	address, late := w.aName()
	how, filename, name := w.room(64), w.room(64), w.room(6008)
	w.how(w.memory[how : how+24])
	copy(w.memory[name:name+6000], w.name+"\x00")
	w.put(filename, w.pointer(name))
	w.put(filename+8, address)
	dfd := w.dfd()
	w.readable(!late)
	r.run("open_enter", dfd, address, w.pointer(how))
	w.readable(true)
	r.run("open_named", dfd, w.pointer(filename))
}
