package plan

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// operator is a node of DuckDB's logical plan, as far as it is used here. The names
// are those of json_serialize_plan.
type operator struct {
	Type     string      `json:"type"`
	Children []*operator `json:"children"`

	fields // of the types in known; zero for all others
}

// known are the types of operators of which more than their children matters.
var known = map[string]bool{
	"LOGICAL_GET": true, "LOGICAL_PROJECTION": true, "LOGICAL_FILTER": true, "LOGICAL_LIMIT": true, "LOGICAL_TOP_N": true,
	"LOGICAL_ORDER_BY": true, "LOGICAL_WINDOW": true, "LOGICAL_UNNEST": true, "LOGICAL_AGGREGATE_AND_GROUP_BY": true,
	"LOGICAL_COMPARISON_JOIN": true, "LOGICAL_DELIM_JOIN": true, "LOGICAL_MATERIALIZED_CTE": true, "LOGICAL_CTE_REF": true,
}

// UnmarshalJSON reads an operator. Types that are not known may use the same names
// for other things.
func (o *operator) UnmarshalJSON(data []byte) error {
	var node struct {
		Type     string      `json:"type"`
		Children []*operator `json:"children"`
	}
	if err := json.Unmarshal(data, &node); err != nil {
		return err
	}
	o.Type, o.Children = node.Type, node.Children
	if !known[o.Type] {
		return nil
	}
	return json.Unmarshal(data, &o.fields)
}

// fields are what operators say about themselves.
type fields struct {
	// LOGICAL_GET
	Names         []string        `json:"names"`
	ProjectionIDs []index         `json:"projection_ids"`
	ColumnIndexes []columnIndex   `json:"column_indexes"`
	TableFilters  tableFilters    `json:"table_filters"`
	FunctionData  json.RawMessage `json:"function_data"`

	// Most operators have some of these.
	Expressions        []*expression `json:"expressions"`
	Groups             []*expression `json:"groups"`
	ProjectionMap      []index       `json:"projection_map"`
	LeftProjectionMap  []index       `json:"left_projection_map"`
	RightProjectionMap []index       `json:"right_projection_map"`

	// Joins.
	JoinType   string      `json:"join_type"`
	Conditions []condition `json:"conditions"`

	// Common table expressions.
	TableIndex index `json:"table_index"`
	CTEIndex   index `json:"cte_index"`

	// LOGICAL_LIMIT has values, LOGICAL_TOP_N numbers.
	LimitValue  *limitValue     `json:"limit_val"`
	OffsetValue *limitValue     `json:"offset_val"`
	Limit       json.RawMessage `json:"limit"`
	Offset      json.RawMessage `json:"offset"`
	Orders      json.RawMessage `json:"orders"`
}

type columnIndex struct {
	Index index `json:"index"`
}

type tableFilters struct {
	Filters []struct {
		Key   index        `json:"key"`
		Value *tableFilter `json:"value"`
	} `json:"filters"`
}

// tableFilter restricts one column of a scan.
type tableFilter struct {
	Type       string         `json:"filter_type"`
	Comparison string         `json:"comparison_type"`
	Constant   *constant      `json:"constant"`
	Values     []constant     `json:"values"`
	Child      *tableFilter   `json:"child_filter"`
	Children   []*tableFilter `json:"child_filters"`
	Expression *expression    `json:"expr"`
}

// expression is a bound expression.
type expression struct {
	Class    string        `json:"expression_class"`
	Type     string        `json:"type"`
	Index    index         `json:"index"` // of BOUND_REF: a column of the operators below
	Left     *expression   `json:"left"`
	Right    *expression   `json:"right"`
	Children []*expression `json:"children"`
	Child    *expression   `json:"child"` // of BOUND_CAST
	Name     string        `json:"name"`  // of BOUND_FUNCTION
	Value    *constant     `json:"value"`

	Input          *expression `json:"input"` // of BOUND_BETWEEN
	Lower          *expression `json:"lower"`
	Upper          *expression `json:"upper"`
	LowerInclusive bool        `json:"lower_inclusive"`
	UpperInclusive bool        `json:"upper_inclusive"`
}

type condition struct {
	Left       *expression `json:"left"`
	Right      *expression `json:"right"`
	Comparison string      `json:"comparison"`
}

type constant struct {
	Type   typeID          `json:"type"`
	IsNull bool            `json:"is_null"`
	Value  json.RawMessage `json:"value"`
}

type typeID struct {
	ID string `json:"id"`
}

type limitValue struct {
	Type     string `json:"type"`
	Constant index  `json:"constant_integer"`
}

type order struct {
	Type       string      `json:"type"`
	Expression *expression `json:"expression"`
}

// index is an unsigned number; those above the int64 range stand for none or for a
// virtual column, and are negative here.
type index int64

// UnmarshalJSON reads the number.
func (i *index) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseUint(string(data), 10, 64)
	if err != nil {
		*i = -1
		return nil //nolint:nilerr // -1.0, null and the like: no index
	}
	*i = index(n) //nolint:gosec // wraps on purpose
	return nil
}

// decode reads the answer of json_serialize_plan.
func decode(data []byte) (*operator, error) {
	var answer struct {
		Error   bool        `json:"error"`
		Message string      `json:"error_message"`
		Plans   []*operator `json:"plans"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	if answer.Error {
		return nil, fmt.Errorf("read plan: %s", answer.Message)
	}
	if len(answer.Plans) != 1 || answer.Plans[0] == nil {
		return nil, fmt.Errorf("read plan: %d plans", len(answer.Plans))
	}
	return answer.Plans[0], nil
}
