package statement

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// node is a node of the syntax tree that json_serialize_sql returns.
type node map[string]any

// syntax is its answer.
type syntax struct {
	Error      bool   `json:"error"`
	Statements []node `json:"statements"`
}

func parseSyntax(data []byte) (*syntax, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var s syntax
	if err := d.Decode(&s); err != nil {
		return nil, err
	}
	return &s, nil
}

func (o node) string(key string) string {
	s, _ := o[key].(string)
	return s
}

func (o node) node(key string) node {
	m, _ := o[key].(map[string]any)
	return m
}

func (o node) list(key string) []any {
	l, _ := o[key].([]any)
	return l
}

// location returns the byte of the text where the node is, or -1.
func (o node) location() int {
	n, _ := o["query_location"].(json.Number)
	at, err := strconv.Atoi(n.String())
	if err != nil {
		return -1
	}
	return at
}
