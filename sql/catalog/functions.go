package catalog

// selectorArgs select samples: a selector and the time range [from, to).
var selectorArgs = []Arg{
	{Name: "selector", Type: text},
	{Name: "from", Type: timestamp},
	{Name: "to", Type: timestamp},
}

// functions are sorted by name.
var functions = []Function{
	{
		Name: "flamegraph",
		Args: append(selectorArgs[:3:3], Arg{Name: "max_nodes", Type: bigint, Default: "NULL::bigint"}),
		Returns: []Column{
			{Name: "id", Type: bigint, Comment: "number of the node, in preorder from 1"},
			{Name: "parent_id", Type: bigint, Nullable: true, Comment: "joins id of the caller; NULL for the root"},
			{Name: "depth", Type: integer, Comment: "distance from the root"},
			{Name: "function", Type: text},
			{Name: "self", Type: bigint, Comment: "value of the function itself, in the sample unit"},
			{Name: "total", Type: bigint, Comment: "self and that of all it calls"},
		},
		Comment: "tree of calls of the samples in [from, to) that a selector such as " +
			`'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="x"}'` + " selects; the smallest nodes beyond max_nodes are folded into \"other\"",
	},
	{
		Name: "top_functions",
		Args: append(selectorArgs[:3:3], Arg{Name: "limit", Type: bigint, Default: "NULL::bigint"}),
		Returns: []Column{
			{Name: "function", Type: text},
			{Name: "self", Type: bigint, Comment: "value of the function itself, in the sample unit"},
			{Name: "total", Type: bigint, Comment: "value of all stacktraces that it is in"},
		},
		Comment: "functions of the samples in [from, to) that a selector selects, by descending self value",
	},
}
