package pgwire

// piece is one statement of a query string: text[start:end], without the
// semicolon, and without space and comments around it.
type piece struct{ start, end int }

// splitter finds the statements of a query string, one at a time.
type splitter struct{ lex lexer }

func newSplitter(text string) *splitter {
	return &splitter{lex: lexer{text: text}}
}

// next returns the next statement that is not empty; ok is false after the last.
func (s *splitter) next() (p piece, ok bool) {
	for {
		tok := s.lex.next()
		switch {
		case tok.kind == tokenEnd:
			return p, ok
		case s.isSemicolon(tok) && ok:
			return p, true
		case s.isSemicolon(tok):
			continue
		case !ok:
			p.start, ok = tok.start, true
		}
		p.end = tok.end
	}
}

func (s *splitter) isSemicolon(t token) bool {
	return t.kind == tokenOp && !t.open && t.end == t.start+1 && s.lex.text[t.start] == ';'
}
