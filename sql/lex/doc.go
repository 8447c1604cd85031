// Package lex cuts SQL into tokens, as PostgreSQL's and DuckDB's scanners do.
//
// # Parts
//
//   - token.go: what a token is
//   - lexer.go: the scanner, one kind of token a method
//   - class.go: which bytes are letters, digits and space
//
// # Guarantees
//
// Every text is taken, and nothing of it is lost: the tokens of a text, one behind the
// other, are the text. What is not closed, runs to the end of the text and says so.
// Work is proportional to the text; nothing is allocated for a token.
//
// Strings are read with standard_conforming_strings on: a backslash is a character
// like others, but for E'…'.
//
// # Not its job
//
// It knows no grammar: which words are reserved, which brackets belong together and
// what a string means is for its users to say.
package lex
