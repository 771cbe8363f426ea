package filter

import (
	"testing"

	"opensnoop/internal/event"
)

func TestWantsContainerAndUnit(t *testing.T) {
	outer := &event.Container{ID: "aabbccdd", Name: "node", UID: 1000}
	outer.SetTitle()
	inner := &event.Container{ID: "eeff0011", Name: "dns", Outer: outer}
	inner.SetTitle()
	app := &event.Unit{Name: "app@1.service", Within: "user.slice|user@1000.service|app.slice"}
	for _, test := range []struct {
		filter    Filter
		container *event.Container
		unit      *event.Unit
		want      bool
	}{
		{Filter{}, nil, nil, true},
		{Filter{InContainer: true}, event.Host, app, false},
		{Filter{InContainer: true}, inner, app, true},
		{Filter{InContainer: true}, nil, app, true}, // it may be
		{Filter{Containers: []string{"node"}}, inner, nil, true},
		{Filter{Containers: []string{"node@1000"}}, outer, nil, true},
		{Filter{Containers: []string{"node@1000/dns"}}, inner, nil, true},
		{Filter{Containers: []string{"node@1000/dns"}}, outer, nil, false},
		{Filter{Containers: []string{"dns"}}, inner, nil, true},
		{Filter{Containers: []string{"aabbcc"}}, inner, nil, true},
		{Filter{Containers: []string{"aabbc"}}, inner, nil, false}, // too short for an id
		{Filter{Containers: []string{"other", "eeff0011"}}, inner, nil, true},
		{Filter{Containers: []string{"node"}}, event.Host, nil, false},
		{Filter{Units: []string{"app@1.service"}}, event.Host, app, true},
		{Filter{Units: []string{"x.service", "app.slice"}}, event.Host, app, true},
		{Filter{Units: []string{"user@1000.service"}}, event.Host, app, true},
		{Filter{Units: []string{"user.sl"}}, event.Host, app, false},
		{Filter{Units: []string{"app@1.service"}}, event.Host, event.NoUnit, false},
		{Filter{Units: []string{"app@1.service"}}, nil, nil, true},
		{Filter{Units: []string{"app@1.service"}, Containers: []string{"node"}}, outer, app, true},
		{Filter{Units: []string{"app@1.service"}, Containers: []string{"node"}}, event.Host, app, false},
	} {
		got := test.filter.WantsContainer(test.container) && test.filter.WantsUnit(test.unit)
		late := test.filter.Late()
		if e := (event.Event{Container: test.container, Unit: test.unit}); got != test.want || (late.Of(&e) == Show) != test.want {
			t.Errorf("%+v of %+v in %+v: %v, want %v", test.filter, test.container, test.unit, got, test.want)
		}
	}
}
