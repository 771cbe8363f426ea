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
#define TASK_COMM_LEN 16
`

// A program that puts a value into each member by its name and writes the record.
const layoutMain = `
int main(void)
{
	static struct record r;
	u64 address = 0x1112131415161718;

	r.time = 0x0102030405060708;
	r.tgid = 0x21222324;
	r.tid = 0x31323334;
	r.fields = FIELDS;
	memcpy(r.comm, "fifteen chars..", TASK_COMM_LEN);
#if FIELDS & FIELD_UID_BIT
	r.uid = 0x41424344;
#endif
#if FIELDS & FIELD_PPID_BIT
	r.ppid = 0x51525354;
#endif
#if FIELDS & FIELD_FLAGS_BIT
	r.flags = 0x6162636465666768;
	r.mode = 0x71727374;
#endif
#if FIELDS & FIELD_RESULT_BIT
	r.result = -2;
#endif
	r.name_kind = KIND;
	r.fixed = KIND == NAME_HANDLE;
	if (r.name_kind == NAME_READ) {
		r.name_len = 4;
		memcpy(r.name, "name", 4);
	} else {
		r.name_len = sizeof(address);
		memcpy(r.name, &address, sizeof(address));
	}
	return fwrite(&r, FIXED_SIZE + r.name_len, 1, stdout) != 1;
}

_Static_assert(sizeof(((struct record *)0)->comm) == COMM_SIZE, "CommSize");
_Static_assert(sizeof(((struct record *)0)->name) == NAME_MAX_GO + 1, "NameMax");
_Static_assert(FIELD_UID == FIELD_UID_BIT && FIELD_PPID == FIELD_PPID_BIT &&
	       FIELD_FLAGS == FIELD_FLAGS_BIT && FIELD_RESULT == FIELD_RESULT_BIT, "Fields");
_Static_assert(UNREAD(1) == 1 << 16, "UNREAD");
`

// recordHeader is the header of the BPF program that is about records, less what it
// includes.
func recordHeader(t *testing.T) string {
	t.Helper()
	text, err := fs.ReadFile(bpf.Headers(), "include/opensnoop/record.h")
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
	for fields := range all + 1 {
		for name, kind := range map[string]NameKind{"NAME_READ": NameRead, "NAME_BAD": NameBad, "NAME_UNSEEN": NameUnseen, "NAME_HANDLE": NameHandle} {
			args := append(compiler[1:len(compiler):len(compiler)], "-Wall", "-Werror", "-o", program, file)
			for macro, value := range map[string]any{
				"FIELDS": fields, "KIND": name, "COMM_SIZE": CommSize, "NAME_MAX_GO": NameMax,
				"FIELD_UID_BIT": UID, "FIELD_PPID_BIT": PPID, "FIELD_FLAGS_BIT": Flags, "FIELD_RESULT_BIT": Result,
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

			want := Event{
				Time: 0x0102030405060708, TGID: 0x21222324, TID: 0x31323334,
				Comm: []byte("fifteen chars.."), NameKind: kind, Fields: fields,
				Fixed: kind == NameHandle,
			}
			if kind == NameRead {
				want.Name = []byte("name")
			} else {
				want.Address = 0x1112131415161718
			}
			if fields.Has(UID) {
				want.UID = 0x41424344
			}
			if fields.Has(PPID) {
				want.PPID = 0x51525354
			}
			if fields.Has(Flags) {
				want.Flags, want.Mode = 0x6162636465666768, 0x71727374
			}
			if fields.Has(Result) {
				want.Result = -2
			}
			var got Event
			if err := got.Decode(record); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("fields %b, %s: decoded %+v, %v; want %+v", fields, name, got, err, want)
			}
			if made := want.Append(nil); !bytes.Equal(made, record) {
				t.Errorf("fields %b, %s: Append makes %x, C makes %x", fields, name, made, record)
			}
		}
	}
}
