package cli

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"
)

// zone returns the time zone that TZ names by a rule of POSIX, such as JST-9, which Go takes
// for no zone: nil if Go knows it, or there is none. The error says that it is nothing.
func zone() (*time.Location, error) {
	rule := strings.TrimPrefix(os.Getenv("TZ"), ":")
	if rule == "" || rule == "UTC" || time.Local.String() != "UTC" {
		return nil, nil
	}
	const none = "none"
	// A file of no times and one zone that never is, with the rule for all times behind them
	// (tzfile(5)).
	var data []byte
	for range 2 { // once for times of 4 bytes, once for those of 8
		data = append(data, "TZif2\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
		for _, n := range []uint32{0, 0, 0, 0, 1, uint32(len(none) + 1)} {
			data = binary.BigEndian.AppendUint32(data, n)
		}
		data = append(data, "\x00\x00\x00\x00\x00\x00"+none+"\x00"...)
	}
	location, err := time.LoadLocationFromTZData(rule, append(data, "\n"+rule+"\n"...))
	if err == nil {
		if name, _ := time.Now().In(location).Zone(); name != none {
			return location, nil
		}
	}
	return nil, fmt.Errorf("TZ=%s is no time zone here: times are in UTC", os.Getenv("TZ"))
}
