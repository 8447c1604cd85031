package pgwire

import "github.com/stackhouse-db/stackhouse/sql/lex"

// piece is one statement of a query string: text[start:end], without the
// semicolon, and without space and comments around it.
type piece struct{ start, end int }

// splitter finds the statements of a query string, one at a time.
type splitter struct {
	text  string
	lexer lex.Lexer
}

func newSplitter(text string) *splitter {
	return &splitter{text: text, lexer: lex.New(text)}
}

// next returns the next statement that is not empty; ok is false after the last.
func (s *splitter) next() (p piece, ok bool) {
	for {
		tok := s.lexer.Code()
		switch {
		case tok.Kind == lex.End:
			return p, ok
		case tok.Is(s.text, ";") && ok:
			return p, true
		case tok.Is(s.text, ";"):
			continue
		case !ok:
			p.start, ok = tok.Start, true
		}
		p.end = tok.End
	}
}
