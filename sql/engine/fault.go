package engine

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Fault is an error of DuckDB in its parts.
type Fault struct {
	Class   string // "Binder", "Catalog", "Conversion", "Out of Memory", …
	Subtype string // "COLUMN_NOT_FOUND", "MISSING_ENTRY", "SYNTAX_ERROR", … or ""
	Object  string // of a missing entry: "Table", "Scalar Function", "Type", …
	Name    string // of what is missing, or ""
	Message string // a sentence, with proposals on further lines
	Offset  int    // byte of the statement's text where it is; -1 when unknown
}

// Error returns the message.
func (f *Fault) Error() string { return "query engine: " + f.Class + ": " + f.Message }

// Unwrap gives the error its kind.
func (f *Fault) Unwrap() error { return &warehouse.Error{Kind: f.kind(), Text: f.Message} }

// faultText is how DuckDB writes an error under errors_as_json.
type faultText struct {
	Class    string `json:"exception_type"`
	Message  string `json:"exception_message"`
	Subtype  string `json:"error_subtype"`
	Object   string `json:"type"`
	Name     string `json:"name"`
	Position string `json:"position"`

	// The names that json_serialize_sql uses.
	SerializeClass   string `json:"error_type"`
	SerializeMessage string `json:"error_message"`
}

// parseFault reads the text of an error: JSON, sometimes after a prefix, or a
// class and a colon.
func parseFault(text string) *Fault {
	if at := strings.IndexByte(text, '{'); at >= 0 {
		if f := ParseFault([]byte(text[at:])); f != nil {
			return f
		}
	}
	class, message, ok := strings.Cut(text, " Error: ")
	if !ok {
		return &Fault{Class: "INTERNAL", Message: text, Offset: -1}
	}
	return &Fault{Class: class, Message: message, Offset: -1}
}

// ParseFault reads an error that DuckDB wrote as JSON, as its functions for
// serialized statements return one, or returns nil if data is none.
func ParseFault(data []byte) *Fault {
	var t faultText
	if json.Unmarshal(data, &t) != nil {
		return nil
	}
	f := &Fault{Class: t.Class, Subtype: t.Subtype, Object: t.Object, Name: t.Name, Message: t.Message, Offset: -1}
	if f.Class == "" {
		f.Class, f.Message = className(t.SerializeClass), t.SerializeMessage
	}
	if f.Class == "" {
		return nil
	}
	if n, err := strconv.Atoi(t.Position); err == nil {
		f.Offset = n
	}
	return f
}

// className spells a class of json_serialize_sql as exceptions do.
func className(lower string) string {
	switch lower {
	case "":
		return ""
	case "internal", "fatal":
		return strings.ToUpper(lower)
	}
	words := strings.Fields(lower)
	for i, w := range words {
		if w != "of" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}

// classKinds are the kinds of DuckDB's classes of errors; others are Internal.
var classKinds = map[string]warehouse.Kind{
	"Out of Memory": warehouse.Limit, "Object Size": warehouse.Limit,
	"Out of Range": warehouse.OutOfRange, "Conversion": warehouse.OutOfRange, "Decimal": warehouse.OutOfRange,
	"IO": warehouse.Unavailable, "Connection": warehouse.Unavailable, "Network": warehouse.Unavailable,
	"Permission": warehouse.Denied,
	"Binder":     warehouse.Invalid, "Catalog": warehouse.Invalid, "Parser": warehouse.Invalid,
	"Syntax": warehouse.Invalid, "Invalid Input": warehouse.Invalid, "Invalid type": warehouse.Invalid,
	"Mismatch Type": warehouse.Invalid, "Expression": warehouse.Invalid, "Not implemented": warehouse.Invalid,
	"Not Implemented": warehouse.Invalid, "Divide by Zero": warehouse.Invalid, "Parameter Not Resolved": warehouse.Invalid,
	"Parameter Not Allowed": warehouse.Invalid, "Constraint": warehouse.Invalid, "Dependency": warehouse.Invalid,
	"Missing Extension": warehouse.Invalid, "Sequence": warehouse.Invalid, "Settings": warehouse.Invalid,
	"Interrupt": warehouse.Canceled, "INTERRUPT": warehouse.Canceled,
}

func (f *Fault) kind() warehouse.Kind { return classKinds[f.Class] }
