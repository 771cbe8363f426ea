package filter

import "testing"

func TestSystem(t *testing.T) {
	globs, err := SystemGlobs()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/etc/ld.so.cache":                true,
		"/lib/x86_64-linux-gnu/libc.so.6": true,
		"/lib64/libm.so":                  true,
		"/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libssl.so.3": true,
		"/usr/lib/locale/C.UTF-8/LC_CTYPE":                             true,
		"/usr/share/locale/de/LC_MESSAGES/libc.mo":                     true,
		"/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache":          true,
		"/usr/lib/python3.11/__pycache__/os.cpython-311.pyc":           true,
		"/usr/bin/pyvenv.cfg":                                          true,
		"/etc/myapp/config.toml":                                       false,
		"/opt/app/plugins/x.so":                                        false,
		"/usr/lib/myapp/data.db":                                       false,
		"/etc/passwd":                                                  false,
		"/etc/ld.so.conf":                                              false,
	} {
		if got := globs.Match([]byte(path)); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
