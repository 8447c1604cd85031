package objecttest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// together runs the functions at the same time and waits for them.
func together(fns ...func()) {
	var wg sync.WaitGroup
	for _, fn := range fns {
		wg.Go(fn)
	}
	wg.Wait()
}

func atomicPut(t *testing.T, b object.Bucket) {
	const size = 64 << 10
	require.NoError(t, b.Put(t.Context(), "a/b", pattern('0', size)))
	writer := func(c byte) func() {
		return func() {
			for i := range 20 {
				n := size - i*int(c)
				assert.NoError(t, b.Put(t.Context(), "a/b", pattern(c, n)))
			}
		}
	}
	reader := func() {
		for range 200 {
			data, err := b.Read(t.Context(), "a/b", 0, -1)
			if !assert.NoError(t, err) || !assert.NotEmpty(t, data) {
				return
			}
			c := data[0]
			assert.Equal(t, len(data), bytes.Count(data, []byte{c}), "a mixture of two objects")
			valid := c == '0' && len(data) == size || c != '0' && (size-len(data))%int(c) == 0
			assert.True(t, valid, "%d bytes of %q are a part of an object", len(data), c)
		}
	}
	together(writer('1'), writer('2'), reader, reader)
}

func concurrentFolder(t *testing.T, b object.Bucket) {
	worker := func(id int) func() {
		return func() {
			for i := range 15 {
				name := fmt.Sprintf("a/b/%d/%d", i%3, id)
				data := fmt.Sprintf("%s of round %d", name, i)
				if !assert.NoError(t, b.Put(t.Context(), name, []byte(data))) {
					return
				}
				got, err := b.Read(t.Context(), name, 0, -1)
				assert.NoError(t, err)
				assert.Equal(t, data, string(got))
				assert.NoError(t, b.Delete(t.Context(), name))
				_, err = b.Stat(t.Context(), name)
				assert.Equal(t, warehouse.NotFound, warehouse.KindOf(err))
			}
		}
	}
	together(worker(0), worker(1), worker(2), worker(3))
	require.Empty(t, names(t, b, ""))
}

func listDuringDelete(t *testing.T, b object.Bucket) {
	const n = 60
	keep := []string{"a/keep", "m/x/keep", "z/keep"}
	for _, name := range keep {
		put(t, b, name, "kept")
	}
	var doomed []string
	for i := range n {
		doomed = append(doomed, fmt.Sprintf("m/%d/%d", i%7, i))
		put(t, b, doomed[i], "x")
	}
	together(func() {
		for _, name := range doomed {
			assert.NoError(t, b.Delete(t.Context(), name))
		}
	}, func() {
		for range 10 {
			var got []string
			assert.NoError(t, b.List(t.Context(), "", func(a object.Attrs) error {
				got = append(got, a.Name)
				return nil
			}))
			assert.True(t, slices.IsSorted(got))
			assert.Subset(t, got, keep)
		}
	})
	require.Equal(t, keep, names(t, b, ""))
}
