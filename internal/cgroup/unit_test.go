package cgroup

import (
	"strings"
	"testing"

	"opensnoop/internal/event"
)

func TestUnits(t *testing.T) {
	long := strings.Repeat("l", 255-len(".service"))
	for path, want := range map[string]event.Unit{
		"":                            {},
		"/":                           {},
		"/init.scope":                 {Name: "init.scope"},
		"/system.slice":               {Name: "system.slice"},
		"/system.slice/nginx.service": {Name: "nginx.service", Within: "system.slice"},
		"/system.slice/system-getty.slice/getty@tty1.service":                             {Name: "getty@tty1.service", Within: "system.slice|system-getty.slice"},
		"/system.slice/system-postgresql.slice/postgresql@17-main.service/backend":        {Name: "postgresql@17-main.service", Within: "system.slice|system-postgresql.slice"},
		"/system.slice/docker-" + id("a") + ".scope/system.slice/in.service":              {Name: "docker-" + id("a") + ".scope", Within: "system.slice"},
		"/system.slice/boot-efi.mount":                                                    {Name: "boot-efi.mount", Within: "system.slice"},
		"/system.slice/dev-disk-by\\x2dlabel-swap.swap":                                   {Name: "dev-disk-by\\x2dlabel-swap.swap", Within: "system.slice"},
		"/user.slice/user-1000.slice":                                                     {Name: "user-1000.slice", Within: "user.slice"},
		"/user.slice/user-1000.slice/session-3.scope":                                     {Name: "session-3.scope", Within: "user.slice|user-1000.slice"},
		"/user.slice/user-1000.slice/user@1000.service":                                   {Name: "user@1000.service", Within: "user.slice|user-1000.slice"},
		"/user.slice/user-1000.slice/user@1000.service/init.scope":                        {Name: "init.scope", Within: "user.slice|user-1000.slice|user@1000.service"},
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-a@1.service/b.scope": {Name: "app-a@1.service", Within: "user.slice|user-1000.slice|user@1000.service|app.slice"},
		"/user.slice/user-1000.slice/user@1000.service/app.slice":                         {Name: "app.slice", Within: "user.slice|user-1000.slice|user@1000.service"},
		"/user.slice/user-1000.slice/user@1000.service/delegated/x.service":               {Name: "user@1000.service", Within: "user.slice|user-1000.slice"},
		"/system.slice/user@x.service/y.service":                                          {Name: "user@x.service", Within: "system.slice"},
		"/_cpu.service":                                                                   {Name: "cpu.service"},
		"/docker/" + id("a") + "/system.slice/nginx.service":                              {},
		"/lxc.payload.c1/system.slice/x.service":                                          {},
		"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id("d") + ".scope":        {Name: "cri-containerd-" + id("d") + ".scope", Within: "kubepods.slice|kubepods-pod1.slice"},
		"/x.target":              {},
		"/.service":              {},
		"/@.service":             {},
		"/a b.service":           {},
		"/caf\xe9.service":       {},
		"/a|b.service":           {},
		"/" + long + ".service":  {Name: long + ".service"},
		"/" + long + "l.service": {},
	} {
		if got := unitOf(path); got != want {
			t.Errorf("%q: %+v, want %+v", path, got, want)
		}
	}
}

func FuzzUnitOf(f *testing.F) {
	f.Add("/user.slice/user-1000.slice/user@1000.service/app.slice/app-a@1.service")
	f.Fuzz(func(t *testing.T, path string) {
		u := unitOf(path)
		for name := range strings.SplitSeq(u.Within+"|"+u.Name, "|") {
			if name != "" && (!strings.Contains(path, name) || len(name) > unitMax || strings.ContainsAny(name, "/ \n")) {
				t.Errorf("%q: %+v", path, u)
			}
		}
		if !u.Is(u.Name) && u.Name != "" || u.Is("") != (u.Name == "") {
			t.Errorf("%+v is not itself", u)
		}
	})
}
