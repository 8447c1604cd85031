package object

import "github.com/thanos-io/objstore"

// NewMemory returns an empty bucket in memory, for tests and experiments.
func NewMemory() Bucket { return FromObjstore(objstore.NewInMemBucket()) }
