package statement

import (
	"cmp"
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// rows evaluates a product function over one snapshot.
//
// Ownership: the caller releases the batch.
func (a *arguments) rows(ctx context.Context, q *query.Service, tenant warehouse.Tenant) (arrow.RecordBatch, error) {
	tree := flame.Empty()
	if !a.isNull {
		sel, err := a.selection(tenant)
		if err != nil {
			return nil, err
		}
		if !sel.Range.IsEmpty() {
			if tree, err = q.Tree(ctx, sel); err != nil {
				return nil, err
			}
		}
	}
	switch a.function.Name {
	case "flamegraph":
		if a.most > 0 {
			tree = tree.Trim(a.most)
		}
		return flamegraphRows(tree), nil
	case "top_functions":
		return topRows(tree, a.most), nil
	}
	return nil, warehouse.Errorf(warehouse.Internal, "evaluate %s: it is not known", a.function.Name)
}

var flamegraphSchema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "parent_id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "depth", Type: arrow.PrimitiveTypes.Int32},
	{Name: "function", Type: arrow.BinaryTypes.String},
	{Name: "self", Type: arrow.PrimitiveTypes.Int64},
	{Name: "total", Type: arrow.PrimitiveTypes.Int64},
}, nil)

// flamegraphRows lists the nodes of a tree in preorder, numbered from 1. A tree of
// nothing has no rows.
func flamegraphRows(tree *flame.Tree) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, flamegraphSchema)
	defer b.Release()
	if tree.Total() == 0 && tree.Size() == 0 {
		return b.NewRecordBatch()
	}
	id, parent := b.Field(0).(*array.Int64Builder), b.Field(1).(*array.Int64Builder)
	depth, function := b.Field(2).(*array.Int32Builder), b.Field(3).(*array.StringBuilder)
	self, total := b.Field(4).(*array.Int64Builder), b.Field(5).(*array.Int64Builder)
	b.Reserve(tree.Size() + 1)
	var path []int64 // ids from the root to the last node
	n := int64(0)
	tree.Walk(func(node flame.Node) bool {
		n++
		path = append(path[:node.Depth], n)
		id.Append(n)
		if node.Depth == 0 {
			parent.AppendNull()
		} else {
			parent.Append(path[node.Depth-1])
		}
		depth.Append(int32(node.Depth)) //nolint:gosec // bounded by the depth of stacktraces
		function.Append(node.Name)
		self.Append(node.Self)
		total.Append(node.Total)
		return true
	})
	return b.NewRecordBatch()
}

var topSchema = arrow.NewSchema([]arrow.Field{
	{Name: "function", Type: arrow.BinaryTypes.String},
	{Name: "self", Type: arrow.PrimitiveTypes.Int64},
	{Name: "total", Type: arrow.PrimitiveTypes.Int64},
}, nil)

// functionSums is what a function has in a tree.
type functionSums struct {
	name        string
	self, total int64
	open        int // how often it is on the way from the root to the current node
}

// topRows adds the nodes of a tree up by function, those with the greatest self value
// first. A function that calls itself counts once in its total.
func topRows(tree *flame.Tree, most int64) arrow.RecordBatch {
	byName := map[string]*functionSums{}
	var path []*functionSums
	tree.Walk(func(node flame.Node) bool {
		if node.Depth == 0 {
			return true // the root is no function
		}
		for len(path) >= node.Depth {
			path[len(path)-1].open--
			path = path[:len(path)-1]
		}
		f := byName[node.Name]
		if f == nil {
			f = &functionSums{name: node.Name}
			byName[node.Name] = f
		}
		f.self += node.Self
		if f.open == 0 {
			f.total += node.Total
		}
		f.open++
		path = append(path, f)
		return true
	})
	list := make([]*functionSums, 0, len(byName))
	for _, f := range byName {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b *functionSums) int {
		return cmp.Or(cmp.Compare(b.self, a.self), cmp.Compare(b.total, a.total), cmp.Compare(a.name, b.name))
	})
	if most > 0 && int64(len(list)) > most {
		list = list[:most]
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, topSchema)
	defer b.Release()
	for _, f := range list {
		b.Field(0).(*array.StringBuilder).Append(f.name)
		b.Field(1).(*array.Int64Builder).Append(f.self)
		b.Field(2).(*array.Int64Builder).Append(f.total)
	}
	return b.NewRecordBatch()
}
