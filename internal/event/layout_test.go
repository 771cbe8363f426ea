package event

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"opensnoop/bpf"
)

// The types that libbcc gives the BPF program, and what its header of the record
// includes. Then comes that header.
const layoutHead = `
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;
#define TASK_COMM_LEN 16
#ifndef FIELDS
#define FIELDS 0
#endif
#ifndef NUMBERS
#define NUMBERS 0
#endif
`

// A program that puts a value into each member by its name and writes the record.
const layoutMain = `
#define HAS_NAME (KIND == NAME_READ || KIND == NAME_UNSURE)

int main(void)
{
	static struct record r;
	u64 address = 0x1112131415161718;

	r.time = 0x0102030405060708;
	r.tgid = 0x21222324;
	r.tid = 0x31323334;
	r.fields = FIELDS;
	memcpy(r.comm, "fifteen chars..", TASK_COMM_LEN);
	static const char base[] = "folder\0\0jail", root[] = "jail";
	char *at = r.name;
	for (int i = 0; i < NUMBERS; i++)
		r.numbers[i] = 0x41424344 + i;
#if FIELDS & FIELD_FLAGS
	*r.flags = 0x6162636465666768;
	*r.mode = 0x71727374;
#endif
#if FIELDS & FIELD_RESULT
	*r.result = -2;
#endif
#if FIELDS & FIELD_PROCESS
	memcpy(r.process, "its first one..", TASK_COMM_LEN);
#endif
#if FIELDS & FIELD_PCOMM
	memcpy(r.pcomm, "its parent is..", TASK_COMM_LEN);
#endif
#if FIELDS & FIELD_ARGS
	r.args->size = 300;
	memset(r.args->bytes, 'a', ARGS_MAX);
#endif
#if FIELDS & FIELD_TOOK
	*r.took = KIND == NAME_BAD ? -7 : 7;
#endif
#if FIELDS & FIELD_ANCESTORS
	r.ancestors->cut = 1;
	r.ancestors->count = 2;
	r.ancestors->list[0].tgid = 7;
	memcpy(r.ancestors->list[0].comm, "its own name is", TASK_COMM_LEN);
	r.ancestors->list[1].tgid = 0x71828384;
	memcpy(r.ancestors->list[1].comm, "p", 2);
#endif
#if FIELDS & FIELD_CGROUP
	r.cgroup[0] = 0xc1c2c3c4;
	r.cgroup[1] = 0xd1d2d3d4;
#endif
#if FIELDS & FIELD_PATH
	r.path->dfd = -100;
	r.path->base.len = sizeof(base);
	r.path->base.state = WALK_DELETED | LATE;
	r.path->root.len = sizeof(root);
	r.path->root.state = WALK_CHANGED;
	at += !LATE && HAS_NAME ? 4 : sizeof(address);
#if FIELDS & FIELD_EXE
	r.exe->len = sizeof(root);
	memcpy(at, root, sizeof(root));
	at += r.exe->len;
#endif
	memcpy(at, base, sizeof(base));
	memcpy(at + sizeof(base), root, sizeof(root));
	char *last = at + sizeof(base) + sizeof(root);
	if (LATE) {
		memcpy(last, "name", 4);
		last += 4;
	}
#if FIELDS & FIELD_FILE
	r.file->inode[0] = 0x91929394;
	r.file->inode[1] = 0xa1a2a3a4;
	r.file->dev = 0xb1b2b3b4;
	r.file->marks = FILE_CREATED | FILE_STAT_DIFFERS;
	r.file->real.len = sizeof(root);
	r.file->real.state = WALK_MORE;
	memcpy(last, root, sizeof(root));
#endif
#endif
	r.name_kind = KIND;
	r.kind = KIND == NAME_HANDLE ? FIXED : KIND == NAME_BAD ? EXECUTED : OPENED;
	if (HAS_NAME) {
		r.name_len = 4;
		if (!LATE)
			memcpy(r.name, "name", 4);
	} else {
		r.name_len = sizeof(address);
		memcpy(r.name, &address, sizeof(address));
	}
	(void)base, (void)root, (void)at;
	return fwrite(&r, FIXED_SIZE + strings_size(&r), 1, stdout) != 1;
}

_Static_assert(sizeof(((struct record *)0)->comm) == COMM_SIZE, "CommSize");
_Static_assert(sizeof(((struct record *)0)->name) >= NAME_MAX_GO + 1, "NameMax");
_Static_assert(FLAGS_UNREAD == FLAGS_UNREAD_GO, "FLAGS_UNREAD");
`

// recordHeader is the header of the BPF program that is about records, less what it
// includes.
func recordHeader(t *testing.T) string {
	t.Helper()
	text, err := fs.ReadFile(bpf.OwnHeaders(), "include/opensnoop/record.h")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^#include .*`).ReplaceAllString(string(text), "")
}

// Records have the same layout in C and in Go, for all fields that may be in them:
// what the C compiler makes of struct record decodes to the values put into it, and
// Append makes the same bytes.
func TestLayout(t *testing.T) {
	source := layoutHead + recordHeader(t) + layoutMain
	compiler := strings.Fields(cmp.Or(os.Getenv("CC"), "cc"))
	dir := t.TempDir()
	file, program := filepath.Join(dir, "layout.c"), filepath.Join(dir, "layout")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	for field := Fields(1); field <= AllFields; field <<= 1 {
		with, without := layoutEvent(AllFields, NameRead), layoutEvent(AllFields&^field, NameRead)
		if with.Fields = without.Fields; reflect.DeepEqual(with, without) {
			t.Errorf("%s has no value in layoutEvent: give it one there, and in layoutMain", field.Names())
		}
	}
	for _, fields := range someFields() {
		for _, kind := range []struct {
			name  string
			kind  NameKind
			macro string
		}{
			{"NAME_READ", NameRead, "0"}, {"NAME_BAD", NameBad, "0"}, {"NAME_UNSEEN", NameUnseen, "0"},
			{"NAME_HANDLE", NameHandle, "0"}, {"NAME_UNSURE", NameUnsure, "0"}, {"NAME_READ", NameRead, "WALK_NAME_LAST"},
		} {
			late := kind.macro != "0"
			if late && !fields.Has(Path) {
				continue
			}
			args := append(compiler[1:len(compiler):len(compiler)], "-Wall", "-Werror", "-o", program, file)
			for _, macro := range append(FieldMacros(), fields.Macros()...) {
				args = append(args, "-D"+macro)
			}
			for macro, value := range map[string]any{
				"KIND": kind.name, "LATE": kind.macro, "COMM_SIZE": CommSize, "NAME_MAX_GO": NameMax,
				"FLAGS_UNREAD_GO": uint32(flagsUnread),
			} {
				args = append(args, fmt.Sprintf("-D%s=%v", macro, value))
			}
			if out, err := exec.Command(compiler[0], args...).CombinedOutput(); err != nil {
				t.Fatalf("compiling struct record: %v\n%s", err, out)
			}
			record, err := exec.Command(program).Output()
			if err != nil {
				t.Fatal(err)
			}
			want := layoutEvent(fields, kind.kind)
			var got Event
			if err := got.Decode(record); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("fields %b, %v: decoded %+v, %v; want %+v", fields, kind, got, err, want)
			}
			if made := want.Append(nil); !late && !bytes.Equal(made, record) {
				t.Errorf("fields %b, %v: Append makes %x, C makes %x", fields, kind, made, record)
			}
			if size := StringsSize(record); size != len(record)-headerSize-fields.size()-CommSize {
				t.Errorf("fields %b, %v: strings of %d bytes", fields, kind, size)
			}
		}
	}
}

// No bit is for two things.
func TestBits(t *testing.T) {
	bits := uint32(flagsUnread)
	for field := Fields(1); field < AllFields; field <<= 1 {
		bits |= uint32(field)
	}
	for _, n := range Numbers {
		if bits&n.Unread != 0 {
			t.Errorf("%s: the bit %#x is another's", n.Name, n.Unread)
		}
		bits |= n.Unread
	}
}

// someFields are none, all, each, and all but each, with what they need.
func someFields() []Fields {
	some := []Fields{0, AllFields}
	for field := Fields(1); field <= AllFields; field <<= 1 {
		for _, fields := range []Fields{field, AllFields &^ field} {
			if fields&(Exe|File) != 0 {
				fields |= Path
			}
			some = append(some, fields)
		}
	}
	return some
}

// layoutEvent is what the C program makes.
func layoutEvent(fields Fields, kind NameKind) Event {
	e := Event{
		Time: 0x0102030405060708, TGID: 0x21222324, TID: 0x31323334,
		Comm: []byte("fifteen chars.."), NameKind: kind, Fields: fields,
		Fixed: kind == NameHandle, Exec: kind == NameBad,
	}
	if kind.passed() {
		e.Name = []byte("name")
	} else {
		e.Address = 0x1112131415161718
	}
	set := uint32(0)
	for _, n := range Numbers {
		if fields.Has(n.Field) {
			*n.Of(&e) = 0x41424344 + set
			set++
		}
	}
	if fields.Has(Flags) {
		e.Flags, e.Mode = 0x6162636465666768, 0x71727374
	}
	if fields.Has(Result) {
		e.Result = -2
	}
	if fields.Has(Process) {
		e.Process = []byte("its first one..")
	}
	if fields.Has(PComm) {
		e.PComm = []byte("its parent is..")
	}
	if fields.Has(Args) {
		e.Args, e.ArgsSize = bytes.Repeat([]byte("a"), ArgsMax), 300
	}
	if fields.Has(Took) {
		e.Took, e.Blocks = 7, kind == NameBad
	}
	if fields.Has(Ancestry) {
		e.Ancestors.Cut = true
		e.Ancestors.Add(7, []byte("its own name is"))
		e.Ancestors.Add(0x71828384, []byte("p"))
	}
	if fields.Has(Cgroup) {
		e.Cgroup, e.CgroupNS = 0x51d2d3d4c1c2c3c4, true
	}
	if fields.Has(Path) {
		e.Folder = Folder{
			DFD:  atFDCWD,
			Base: Walk{walkDeleted, []byte("folder\x00\x00jail\x00")},
			Root: Walk{walkChanged, []byte("jail\x00")},
		}
		e.Path.Known, e.Path.Problem = e.appendPath(nil)
	}
	if fields.Has(Exe) {
		e.Exe = Place{Walk: Walk{Components: []byte("jail\x00")}, Known: []byte("/jail")}
	}
	if fields.Has(File) {
		e.Inode, e.Dev, e.Created, e.StatDiffers = 0xa1a2a3a491929394, 0xb1b2b3b4, true, true
		e.Real = Place{Walk: Walk{walkMore, []byte("jail\x00")}, Known: []byte("jail"), Problem: PathTooDeep}
	}
	return e
}
