package catalog

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:embed macro/*.sql view/*.sql
var scriptFiles embed.FS

// macroFiles are the macros in the order of their creation: a macro may use those
// before it.
var macroFiles = []string{
	"session", "oid", "quote", "type", "array", "reg", "visible", "description", "definition", "privilege", "size",
}

// script returns the text of a file.
func script(name string) (string, error) {
	b, err := scriptFiles.ReadFile(name)
	return string(b), err
}

// macro says whether there are macros of a name that give a value, and rows.
type macro struct{ scalar, table bool }

// findMacros adds the macros that a script creates.
func findMacros(text string, to map[string]macro) {
	tokens := scan(text)
	for i, t := range tokens {
		if !t.isWord("macro") {
			continue
		}
		open := i + 1
		for open < len(tokens) && !tokens[open].isPunct("(") {
			open++ // create macro pgcat . main . name (
		}
		if open+1 >= len(tokens) || tokens[open].partner < 0 || tokens[open].partner+2 >= len(tokens) {
			continue
		}
		m := to[tokens[open-1].name]
		if tokens[tokens[open].partner+2].isWord("table") {
			m.table = true
		} else {
			m.scalar = true
		}
		to[tokens[open-1].name] = m
	}
}

// views returns the queries of the folder view by the relation that each of them
// fills: pg_catalog.pg_class, information_schema.columns. A view may use those whose
// names come before its own.
func views() (names []string, texts map[string]string, err error) {
	texts = map[string]string{}
	entries, err := fs.ReadDir(scriptFiles, "view")
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		text, err := script(path.Join("view", e.Name()))
		if err != nil {
			return nil, nil, err
		}
		name := strings.TrimSuffix(e.Name(), ".sql")
		if !strings.Contains(name, ".") {
			name = "pg_catalog." + name
		}
		names = append(names, name)
		texts[name] = strings.TrimSpace(text)
	}
	return names, texts, nil
}
