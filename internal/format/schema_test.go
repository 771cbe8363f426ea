package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"opensnoop/internal/event"
	"opensnoop/internal/probe"
)

// Every line is as docs/recording.schema.json says, and that says what each field is.
func TestSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/recording.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	known := schema.OneOf[0].Ref.Properties
	var events []event.Event
	for _, e := range testEvents {
		e.Fields |= allFields
		events = append(events, e)
	}
	valued := map[string]bool{} // the fields that are there, and whether one has a value
	for _, short := range []bool{false, true} {
		for line := range strings.Lines(recorded(t, events, short).String()) {
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(line)))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			object := value.(map[string]any)
			for name, value := range object {
				if object["record"] == nil && known[name] == nil {
					t.Errorf("the schema does not know the field %s", name)
				}
				valued[name] = valued[name] || object["record"] != nil || value != nil && value != false && fmt.Sprint(value) != "0"
			}
		}
	}
	for name, has := range valued {
		if !has {
			t.Errorf("%s has no value in any of testEvents", name)
		}
	}
	text, err := os.ReadFile("../../docs/recording.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var probes []string
	if found := regexp.MustCompile(`"probe": \{ "enum": (\[[^]]*\])`).FindSubmatch(text); found == nil || json.Unmarshal(found[1], &probes) != nil {
		t.Error("the schema has no probes")
	}
	for _, p := range probe.Probes {
		if !slices.Contains(probes, p.Name) {
			t.Errorf("the schema does not know the probe %s", p.Name)
		}
	}
	for _, wrong := range []string{`{}`, `{"seq":-1,"time":"2026-11-30T12:00:00Z","pid":1,"tid":1}`, `{"record":"other"}`} {
		value, _ := jsonschema.UnmarshalJSON(strings.NewReader(wrong))
		if schema.Validate(value) == nil {
			t.Errorf("%s is taken for a line", wrong)
		}
	}
}
