package compare

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// why says which folder of a place does not exist, or which refuses its user. It looks at the file
// system as it is now.
func why(p *Place) string {
	switch p.Error {
	case "ENOENT", "ENOTDIR":
		return firstMissing(string(p.Path))
	case "EACCES":
		return firstRefusing(string(p.Path), p.uid)
	}
	return ""
}

// folders are the folders that lead to a path, the topmost first.
func folders(path string) []string {
	var all []string
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			all = append(all, path[:i])
		}
	}
	return all
}

func firstMissing(path string) string {
	for _, folder := range folders(path) {
		st, err := os.Stat(folder)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "there is no " + folder
		case err == nil && !st.IsDir():
			return folder + " is no folder"
		case err != nil:
			return ""
		}
	}
	if link, err := os.Readlink(path); err == nil {
		return "it is a link to " + link + ", which is not there"
	}
	return ""
}

// firstRefusing says which part of a path a user may not enter or read.
func firstRefusing(path string, uid uint32) string {
	who := "the user " + strconv.FormatUint(uint64(uid), 10)
	var groups []string
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		who = u.Username
		groups, _ = u.GroupIds()
	}
	for _, folder := range append([]string{"/"}, folders(path)...) {
		if st, err := os.Stat(folder); err == nil && !allows(st, uid, groups, 1) {
			return fmt.Sprintf("%s may not enter %s (%v, of %s)", who, folder, st.Mode(), owner(st))
		}
	}
	if st, err := os.Stat(path); err == nil && !allows(st, uid, groups, 4) {
		return fmt.Sprintf("%s may not read it (%v, of %s)", who, st.Mode(), owner(st))
	}
	return ""
}

// allows reports whether a mode gives a user a right, of 4 to read and 1 to enter.
func allows(st fs.FileInfo, uid uint32, groups []string, right fs.FileMode) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case !ok || uid == 0:
		return true
	case sys.Uid == uid:
		right <<= 6
	case slices.Contains(groups, strconv.FormatUint(uint64(sys.Gid), 10)):
		right <<= 3
	}
	return st.Mode().Perm()&right != 0
}

func owner(st fs.FileInfo) string {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return "?"
	}
	id := strconv.FormatUint(uint64(sys.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return strings.ToValidUTF8(u.Username, "?")
	}
	return id
}
