package format

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"opensnoop/internal/event"
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
			for name := range object {
				if object["record"] == nil && known[name] == nil {
					t.Errorf("the schema does not know the field %s", name)
				}
			}
		}
	}
	for _, wrong := range []string{`{}`, `{"seq":-1,"time":"2026-11-30T12:00:00Z","pid":1,"tid":1}`, `{"record":"other"}`} {
		value, _ := jsonschema.UnmarshalJSON(strings.NewReader(wrong))
		if schema.Validate(value) == nil {
			t.Errorf("%s is taken for a line", wrong)
		}
	}
}
