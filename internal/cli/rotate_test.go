package cli

import "testing"

func TestRotation(t *testing.T) {
	for text, want := range map[string]rotation{
		"1K": {1 << 10, keepOld, "1K"}, "20M,3": {20 << 20, 3, "20M,3"}, "2g,1": {2 << 30, 1, "2g,1"}, "4096": {4096, keepOld, "4096"},
	} {
		var got rotation
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "M", "1", "1023", "20MM", "20M,", "20M,0", "20M,x", "-20M", "20M,1001", "9223372036854775807G", "1.5M"} {
		var got rotation
		if err := got.Set(text); err == nil || got.size != 0 {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
}
