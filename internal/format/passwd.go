package format

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strconv"
)

const passwdFile = "/etc/passwd"

// lineMax is the longest line of a passwd file that counts, in bytes.
const lineMax = 4096

// inPasswd returns a user's name by /etc/passwd; empty if it has none there.
func inPasswd(uid uint32) string {
	file, err := os.Open(passwdFile)
	if err != nil {
		return ""
	}
	defer file.Close()
	return nameIn(file, uid)
}

// nameIn returns the name in the first line of a passwd file (passwd(5)) that is of a user;
// empty if there is none.
func nameIn(file io.Reader, uid uint32) string {
	lines := bufio.NewReaderSize(file, lineMax)
	for {
		line, tooLong, err := lines.ReadLine()
		if err != nil {
			return ""
		}
		if !tooLong {
			if name := accountOf(line, uid); name != "" {
				return name
			}
		}
		for tooLong && err == nil {
			_, tooLong, err = lines.ReadLine()
		}
	}
}

// accountOf returns the name in a line if it is of a user. Lines that begin with + or - are for
// NIS.
func accountOf(line []byte, uid uint32) string {
	name, rest, _ := bytes.Cut(line, []byte(":"))
	_, rest, _ = bytes.Cut(rest, []byte(":"))
	number, _, ok := bytes.Cut(rest, []byte(":"))
	if !ok || len(name) == 0 || bytes.IndexByte([]byte("+-#"), name[0]) >= 0 {
		return ""
	}
	if id, err := strconv.ParseUint(string(number), 10, 32); err != nil || uint32(id) != uid {
		return ""
	}
	return string(name)
}
