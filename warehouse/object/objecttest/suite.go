package objecttest

import (
	"testing"

	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Lacks names promises that a store over which a bucket is made cannot keep.
type Lacks struct {
	AtomicPut     bool // readers may see a part of an object while it is put
	ConcurrentUse bool // puts, deletes and listings may disturb each other in one folder
}

// Run checks that the bucket made by open keeps the promises of
// [object.Bucket]. Each test gets an empty bucket.
func Run(t *testing.T, open func(*testing.T) object.Bucket) {
	RunWith(t, Lacks{}, open)
}

// RunWith is [Run] without the promises that are lacking.
func RunWith(t *testing.T, lacks Lacks, open func(*testing.T) object.Bucket) {
	tests := []struct {
		name string
		skip bool
		fn   func(*testing.T, object.Bucket)
	}{
		{"read returns what was put", false, readBack},
		{"ranges are cut at the end", false, ranges},
		{"what is missing is NotFound", false, missing},
		{"a folder is no object", false, folderIsNoObject},
		{"put replaces as a whole", false, replace},
		{"bytes belong to the caller", false, ownership},
		{"stat tells size and time", false, stat},
		{"list is sorted, complete and of one folder", false, list},
		{"list ends at the error of fn", false, listStops},
		{"delete removes one object, and twice is fine", false, deleteTwice},
		{"deleting a folder removes nothing", false, deleteFolder},
		{"a folder that was emptied can be used again", false, emptiedFolder},
		{"names that are not allowed are Invalid", false, badNames},
		{"long and odd names work", false, oddNames},
		{"a context that is over stops each operation", false, contextOver},
		{"a local path leads to the bytes", false, localPath},
		{"readers never see a part of an object", lacks.AtomicPut, atomicPut},
		{"puts and deletes of one folder do not disturb each other", lacks.ConcurrentUse, concurrentFolder},
		{"list goes on while objects are deleted", lacks.ConcurrentUse, listDuringDelete},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.skip {
				t.Skip("the store below does not promise it")
			}
			t.Parallel()
			tt.fn(t, open(t))
		})
	}
}
