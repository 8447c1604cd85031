package main

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// printConfig prints the effective settings as a configuration file that gives
// the same settings again.
func (p program) printConfig(cfg *config, flags []*kong.Flag) int {
	if err := cfg.validate(); err != nil {
		return p.fail(exitUsage, err)
	}
	if err := writeSettings(yaml.NewEncoder(p.stdout), flags); err != nil {
		return p.fail(exitError, fmt.Errorf("print settings: %w", err))
	}
	return exitOK
}

// writeSettings encodes flags as YAML with their help as comments. The value of
// a setting tagged secret:"" is not shown.
func writeSettings(enc *yaml.Encoder, flags []*kong.Flag) error {
	doc := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range flags {
		if f.Name == "config.file" || f.Name == "help" {
			continue
		}
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: f.Name, HeadComment: comment(f)}
		value := &yaml.Node{Kind: yaml.ScalarNode, Value: settingText(f)}
		if f.Target.Kind() == reflect.String {
			value.Tag = "!!str" // quoted where it would read as something else
		}
		doc.Content = append(doc.Content, key, value)
	}
	if err := enc.Encode(doc); err != nil {
		return err
	}
	return enc.Close()
}

// settingText returns a flag's value in the form in which it is set. A dollar
// is doubled, since reading the file expands variables.
func settingText(f *kong.Flag) string {
	if f.Tag.Has("secret") && !f.Target.IsZero() {
		return "<secret>"
	}
	text := fmt.Sprint(f.Target.Interface())
	if m, ok := f.Target.Interface().(encoding.TextMarshaler); ok {
		if b, err := m.MarshalText(); err == nil {
			text = string(b)
		}
	}
	return strings.ReplaceAll(text, "$", "$$")
}

// comment wraps a flag's help to a readable width and adds its variable.
func comment(f *kong.Flag) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(f.Help + " Variable: " + envName(f.Name)) {
		if line != "" && len(line)+1+len(word) > 90 {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return strings.Join(append(lines, line), "\n")
}
