package catalog

// relationUse is a relation of pg_catalog in a FROM clause.
type relationUse struct {
	name, alias string
	opener      int // of the query
}

// maxUses bounds the work for a text that names nothing else.
const maxUses = 256

// noteRelation remembers the relation that the tokens up to last name.
func (r *rewriter) noteRelation(name string, last int) {
	alias := last + 1
	if r.at(alias).isWord("as") {
		alias++
	}
	use := relationUse{name: name, alias: name, opener: r.opener[last]}
	if r.isAlias(alias) {
		use.alias = r.at(alias).name
	}
	if len(r.uses) < maxUses {
		r.uses = append(r.uses, use)
	}
}

// tableoids replaces the hidden column tableoid, which says what catalogue a row is
// in, by that catalogue's identifier. It comes last, for FROM follows SELECT.
func (r *rewriter) tableoids() {
	for i, t := range r.tokens {
		if !t.isWord("tableoid") || r.at(i-1).isWord("as") {
			continue
		}
		qualified := r.at(i - 1).isPunct(".")
		for _, use := range r.uses {
			oid := r.known.classOIDs[use.name]
			if oid == "" || !qualified && use.opener != r.opener[i] || qualified && use.alias != r.at(i-2).name {
				continue
			}
			start := i
			if qualified {
				start = i - 2
			}
			text := oid + "::UINTEGER"
			if r.isItem(start, i+1) && !r.at(i+1).isWord("as") && !r.isAlias(i+1) {
				text += " AS tableoid"
			}
			r.replace(start, i+1, text)
			break
		}
	}
}
