package api

import (
	"strings"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Labels that /ingest gives a profile besides the client's own.
const (
	labelSpy     = "pyroscope_spy"
	labelApp     = "app_name" // the name, where the client chose another service_name
	labelSession = "__session_id__"
)

// maxAppNameBytes bounds the name parameter of /ingest.
const maxAppNameBytes = 64 << 10

// appName is a parsed name parameter: what is profiled and its labels.
type appName struct {
	Name   string
	Labels warehouse.Labels
}

// parseAppName parses the grammar of Pyroscope's SDKs:
//
//	name   = service [ "{" [ label { "," label } [ "," ] ] "}" ]
//	label  = key "=" value
//	service: letters, digits and _.-/      key: letters, digits and _.
//	value: anything but "," and "}"
//
// White space around service, keys and values is dropped. Of labels with the
// same key the last one counts; those without a value are left out. There is no
// way to write a value with a comma or a brace: SDKs send them as they are, and
// then it is an error here rather than a label nobody meant.
func parseAppName(text string) (appName, error) {
	var a appName
	switch {
	case len(text) > maxAppNameBytes:
		return a, invalidName("it has %d bytes, the limit is %d", len(text), maxAppNameBytes)
	case !utf8.ValidString(text):
		return a, invalidName("%q is not valid UTF-8", text)
	}
	service, rest, hasLabels := strings.Cut(text, "{")
	a.Name = strings.TrimSpace(service)
	if a.Name == "" {
		return a, invalidName("%q has no service before the labels", text)
	}
	if i := strings.IndexFunc(a.Name, isNotServiceRune); i >= 0 {
		return a, invalidName("the service %q has the character %q: allowed are letters, digits and _.-/", a.Name, firstRune(a.Name[i:]))
	}
	if !hasLabels {
		return a, nil
	}
	list, after, closed := strings.Cut(rest, "}")
	if !closed {
		return a, invalidName("%q has no closing brace", text)
	}
	if after = strings.TrimSpace(after); after != "" {
		return a, invalidName("unexpected %q after the closing brace", after)
	}
	var err error
	a.Labels, err = parseNameLabels(list)
	return a, err
}

func parseNameLabels(list string) (warehouse.Labels, error) {
	values := map[string]string{}
	for item := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		key, value, ok := strings.Cut(item, "=")
		key = strings.TrimSpace(key)
		switch {
		case !ok:
			return nil, invalidName("label %q has no =", item)
		case key == "":
			return nil, invalidName("label %q has no key", item)
		}
		if i := strings.IndexFunc(key, isNotKeyRune); i >= 0 {
			return nil, invalidName("label %q has the character %q: allowed are letters, digits and _.", key, firstRune(key[i:]))
		}
		values[key] = strings.TrimSpace(value)
	}
	var labels warehouse.Labels
	for _, key := range sortedKeys(values) {
		if values[key] != "" {
			labels = append(labels, warehouse.Label{Name: key, Value: values[key]})
		}
	}
	return labels, nil
}

func invalidName(format string, args ...any) error {
	return warehouse.Errorf(warehouse.Invalid, "parameter name: "+format, args...)
}

func isNotKeyRune(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '.')
}

func isNotServiceRune(r rune) bool { return isNotKeyRune(r) && r != '-' && r != '/' }

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// series returns the labels of a profile sent under this name. Labels that begin
// with two underscores are the server's, except for the session's.
func (a appName) series(spy string) []warehouse.Label {
	service, app := a.Name, ""
	if own := a.Labels.Value(warehouse.LabelService); own != "" {
		service, app = own, a.Name
	}
	out := []warehouse.Label{
		{Name: warehouse.LabelDelta, Value: "false"},
		{Name: warehouse.LabelService, Value: service},
	}
	for _, l := range a.Labels {
		switch {
		case l.Name == warehouse.LabelService, l.Name == labelSpy && spy != "", l.Name == labelApp && app != "":
		case strings.HasPrefix(l.Name, "__") && l.Name != labelSession:
		default:
			out = append(out, l)
		}
	}
	if app != "" {
		out = append(out, warehouse.Label{Name: labelApp, Value: app})
	}
	if spy != "" {
		out = append(out, warehouse.Label{Name: labelSpy, Value: spy})
	}
	return out
}
