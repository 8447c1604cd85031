package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// lookup reads an environment variable, as os.LookupEnv does.
type lookup func(name string) (string, bool)

// setting is one value of a configuration file.
type setting struct {
	text string
	line int
}

// applySources fills the flags of the selected command that were not given on
// the command line: from the environment, else from the configuration file. The
// rest keep their defaults.
func applySources(ctx *kong.Context, env lookup) error {
	given := map[*kong.Value]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil {
			given[p.Flag.Value] = true
		}
	}
	flags := settingFlags(ctx)
	file, err := configFile(flags, given, env)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, f := range flags {
		known[f.Name] = true
		if given[f.Value] {
			continue
		}
		if err := applySource(f, file, env); err != nil {
			return err
		}
	}
	return file.checkKnown(known)
}

// settingFlags returns the selected command's flags that are settings: all but
// those tagged option:"", which are given on the command line only.
func settingFlags(ctx *kong.Context) []*kong.Flag {
	if ctx.Selected() == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(ctx.Selected().Flags), func(f *kong.Flag) bool { return f.Tag.Has("option") })
}

func applySource(f *kong.Flag, file settingsFile, env lookup) error {
	if text, ok := env(envName(f.Name)); ok {
		if err := parseInto(f, text); err != nil {
			return fmt.Errorf("environment: %s: %w", envName(f.Name), err)
		}
		return nil
	}
	if s, ok := file.values[f.Name]; ok {
		if err := parseInto(f, s.text); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", file.path, s.line, f.Name, err)
		}
	}
	return nil
}

// parseInto sets a flag as if text had been given on the command line.
func parseInto(f *kong.Flag, text string) error {
	token := kong.Token{Value: text, Type: kong.FlagValueToken}
	return bareCause(f.Parse(kong.ScanFromTokens(token), f.Target))
}

// bareCause drops what kong says about the flag, which callers say better.
func bareCause(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// settingsFile is a configuration file, flattened: http: {listen: x} is the
// setting http.listen. The zero value is no file.
type settingsFile struct {
	path   string
	values map[string]setting
}

// configFile reads the file that --config.file or its variable names, if any.
func configFile(flags []*kong.Flag, given map[*kong.Value]bool, env lookup) (settingsFile, error) {
	for _, f := range flags {
		if f.Name != "config.file" {
			continue
		}
		path := f.Target.String()
		if text, ok := env(envName(f.Name)); ok && !given[f.Value] {
			path = text
		}
		if path != "" {
			return readSettings(path, env)
		}
	}
	return settingsFile{}, nil
}

func readSettings(path string, env lookup) (settingsFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return settingsFile{}, fmt.Errorf("config.file: %w", err)
	}
	return parseSettings(path, data, env)
}

// parseSettings parses a configuration file. Every error names path and line.
func parseSettings(path string, data []byte, env lookup) (settingsFile, error) {
	f := settingsFile{path: path, values: map[string]setting{}}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	if doc.Kind == 0 { // nothing but comments
		return f, nil
	}
	return f, f.add("", doc.Content[0], env)
}

// add flattens a node into f.values. Anchors and merge keys are refused: the
// file has no need for them, and they make a small file arbitrarily large.
func (f settingsFile) add(name string, node *yaml.Node, env lookup) error {
	switch node.Kind {
	case yaml.MappingNode:
		return f.addMapping(name, node, env)
	case yaml.SequenceNode:
		return f.errorf(node, "%s is a list, want a single value", orFile(name))
	case yaml.AliasNode:
		return f.errorf(node, "%s is an alias, which this file may not use", orFile(name))
	}
	if name == "" {
		return f.errorf(node, "want settings, one a line, such as http.listen: 127.0.0.1:4040")
	}
	if node.Tag == "!!null" {
		return f.errorf(node, "%s has no value", name)
	}
	text, err := expand(node.Value, env)
	if err != nil {
		return f.errorf(node, "%s: %s", name, err)
	}
	if first, twice := f.values[name]; twice {
		return f.errorf(node, "%s is set twice, first on line %d", name, first.line)
	}
	f.values[name] = setting{text, node.Line}
	return nil
}

func (f settingsFile) addMapping(prefix string, node *yaml.Node, env lookup) error {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		name := key.Value
		if prefix != "" {
			name = prefix + "." + name
		}
		if key.Kind != yaml.ScalarNode || key.Value == "" {
			return f.errorf(key, "want the name of a setting")
		}
		if err := f.add(name, node.Content[i+1], env); err != nil {
			return err
		}
	}
	return nil
}

// checkKnown refuses settings that no flag has: a misspelt one must not be
// taken for its default.
func (f settingsFile) checkKnown(known map[string]bool) error {
	var unknown string
	for name, s := range f.values {
		if name == "config.file" {
			return fmt.Errorf("%s:%d: config.file cannot be set in the file itself", f.path, s.line)
		}
		if !known[name] && (unknown == "" || s.line < f.values[unknown].line) {
			unknown = name
		}
	}
	if unknown == "" {
		return nil
	}
	return fmt.Errorf("%s:%d: unknown setting %q (stackhouse config prints all)", f.path, f.values[unknown].line, unknown)
}

func (f settingsFile) errorf(at *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: "+format, append([]any{f.path, at.Line}, args...)...)
}

func orFile(name string) string {
	if name == "" {
		return "the file"
	}
	return name
}

// expand replaces ${NAME} and ${NAME:default} from the environment, within one
// value: what a variable holds is never read as YAML. $$ is a dollar sign. A
// variable that is not set and has no default is an error, since the setting
// would silently be empty.
func expand(text string, env lookup) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "$")
		out.WriteString(before)
		switch {
		case !found:
			return out.String(), nil
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			text = rest[1:]
		case strings.HasPrefix(rest, "{"):
			inner, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				return "", fmt.Errorf("%q is not closed", "$"+rest)
			}
			value, err := expandName(inner, env)
			if err != nil {
				return "", err
			}
			out.WriteString(value)
			text = after
		default:
			out.WriteByte('$')
			text = rest
		}
	}
}

func expandName(inner string, env lookup) (string, error) {
	name, fallback, hasDefault := strings.Cut(inner, ":")
	if name == "" {
		return "", fmt.Errorf("%q names no variable", "${"+inner+"}")
	}
	value, ok := env(name)
	switch {
	case ok:
		return value, nil
	case hasDefault:
		return fallback, nil
	}
	return "", fmt.Errorf("variable %s is not set and has no default", name)
}
