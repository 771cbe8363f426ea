package kernel

import "testing"

func TestVersion(t *testing.T) {
	for _, test := range []struct {
		release   Release
		signature string
		want      string // "" is an error
	}{
		{Release{Name: "6.18.44-fc"}, "", "6.18.44"},
		{Release{Name: "6.1.0-56-amd64", Build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-05-01)"}, "", "6.1.176"},
		{Release{Name: "5.15.0-100-generic", Build: "#110-Ubuntu SMP"}, "Ubuntu 5.15.0-100.110-generic 5.15.143\n", "5.15.143"},
		{Release{Name: "7.3-rc1"}, "", "7.3.0"},
		{Release{Name: "4.19.300"}, "", "4.19.255"},
		{Release{Name: "6.12.0+"}, "", "6.12.0"},
		{Release{Name: "mainline"}, "", ""},
		{Release{}, "", ""},
	} {
		got, err := test.release.version(test.signature)
		if (err != nil) != (test.want == "") || err == nil && got.String() != test.want {
			t.Errorf("%+v: %v, error %v; want %q", test.release, got, err, test.want)
		}
	}
	if _, err := CurrentVersion(); err != nil {
		t.Error(err)
	}
	if NewVersion(5, 10, 3) != 5<<16|10<<8|3 {
		t.Error("5.10.3 has another code")
	}
}
