package cli

import (
	"testing"
	"time"
)

func TestZone(t *testing.T) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	winter, summer := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		tz             string
		winter, summer string // "" if Go's own is right
		wrong          bool
	}{
		{"JST-9", "21:00 JST", "21:00 JST", false},
		{":JST-9", "21:00 JST", "21:00 JST", false},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "13:00 CET", "14:00 CEST", false},
		{"<+0330>-3:30", "15:30 +0330", "15:30 +0330", false},
		{"NZST-12NZDT,M9.5.0,M4.1.0/3", "01:00 NZDT", "00:00 NZST", false},
		{"", "", "", false},
		{"UTC", "", "", false},
		{":UTC", "", "", false},
		{"No/Where", "", "", true},
		{"JST", "", "", true},
		{"/no/such/file", "", "", true},
	} {
		t.Setenv("TZ", test.tz)
		time.Local = time.UTC // which Go makes of all of these
		location, err := zone()
		if (err != nil) != test.wrong {
			t.Errorf("%q: %v", test.tz, err)
		}
		var got [2]string
		if location != nil {
			got = [2]string{winter.In(location).Format("15:04 MST"), summer.In(location).Format("15:04 MST")}
		}
		if got != [2]string{test.winter, test.summer} {
			t.Errorf("%q: %q, want %q and %q", test.tz, got, test.winter, test.summer)
		}
	}
	time.Local = time.FixedZone("Local", 3600)
	if location, err := zone(); location != nil || err != nil {
		t.Errorf("what Go knows: %v, %v", location, err)
	}
}
