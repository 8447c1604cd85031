package catalog

// renamed are functions that DuckDB has under another name.
var renamed = map[string]string{
	"json_build_object": "json_object", "jsonb_build_object": "json_object", "json_build_array": "json_array", "jsonb_build_array": "json_array",
	"row_to_json": "to_json", "to_jsonb": "to_json",
}

// function handles a function at token i, outside of FROM.
func (r *rewriter) function(i int) {
	open := r.at(i + 1)
	if !open.isPunct("(") || open.partner < 0 {
		return
	}
	name := r.at(i).name
	if to := renamed[name]; to != "" {
		r.replace(i, i+1, to)
	}
	if start := r.chainStart(i); r.depth[i] == 0 && r.isItem(start, open.partner+1) {
		if t := r.identifierType(start, open.partner+1); t != "" {
			r.before(start, t+"_out(")
			r.after(open.partner, ")")
		}
	}
	switch name {
	case "json_agg", "jsonb_agg":
		r.replace(i, i+1, "to_json(list") // which may have ORDER BY, DISTINCT and FILTER
		r.after(r.aggregateEnd(open.partner), ")")
	case "json_object_agg", "jsonb_object_agg":
		r.replace(i, i+2, "to_json(map_from_entries(list(row(")
		end := open.partner - 1
		for j := i + 2; j < open.partner; j++ {
			if r.opener[j] == i+1 && r.at(j).isWord("order") {
				end = j - 1
				break
			}
		}
		r.after(end, ")")
		r.after(r.aggregateEnd(open.partner), "))")
	}
	if start := r.chainStart(i); name == "generate_series" && r.isItem(start, open.partner+1) {
		r.before(start, "unnest(") // DuckDB's is a list
		r.after(open.partner, ")")
	}
}

// aggregateEnd returns the last token of an aggregate whose arguments end at a token.
func (r *rewriter) aggregateEnd(closing int) int {
	if r.at(closing+1).isWord("filter") && r.at(closing+2).partner > 0 {
		return r.at(closing + 2).partner
	}
	return closing
}

// scalars are functions that PostgreSQL's clients name in FROM for their one value.
var scalars = set("current_schema", "current_database", "current_setting", "current_schemas", "version", "now", "string_to_array",
	"array_to_string", "pg_backend_pid", "pg_is_in_recovery", "quote_ident", "format_type", "parse_ident")

// rowFunctions give rows of one column, which PostgreSQL calls like the function, or
// like its alias.
var rowFunctions = set("unnest", "generate_series", "generate_subscripts", "pg_partition_ancestors")

// fromFunction handles a function in FROM, whose name is the tokens [i, last].
func (r *rewriter) fromFunction(i, last int) {
	name, closing := r.at(last).name, r.at(last+1).partner
	if closing < 0 || !scalars[name] && !rowFunctions[name] {
		return
	}
	commas := r.commas(last + 1)
	ordinality := r.at(closing+1).isWord("with") && r.at(closing+2).isWord("ordinality")
	if scalars[name] || name == "unnest" && len(commas) > 0 {
		r.before(i, "(SELECT ")
		if ordinality && len(commas) > 0 {
			r.replace(closing, closing+3, "), generate_subscripts("+r.text[r.tokens[last+2].Start:r.tokens[commas[0]-1].End]+", 1))")
		} else {
			r.after(closing, ")")
		}
	}
	if name == "unnest" {
		for _, c := range commas {
			r.replace(c, c+1, "), unnest(") // each list in a column of its own
		}
	}
	alias := closing + 1
	if ordinality {
		return
	}
	if r.at(alias).isWord("as") {
		alias++
	}
	switch {
	case r.isAlias(alias):
		if !r.at(alias + 1).isPunct("(") {
			r.after(alias, "("+r.text[r.tokens[alias].Start:r.tokens[alias].End]+")")
		}
	case scalars[name]:
		r.after(closing, " AS "+name+"("+name+")")
	}
}

// commas returns the commas between the arguments of a call that opens at token i.
func (r *rewriter) commas(i int) []int {
	var found []int
	for j := i + 1; j < r.at(i).partner; j++ {
		if r.opener[j] == i && r.at(j).isPunct(",") {
			found = append(found, j)
		}
	}
	return found
}
