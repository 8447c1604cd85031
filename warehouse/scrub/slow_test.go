package scrub

import (
	"context"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// slowBucket takes a time for each read.
type slowBucket struct {
	object.Bucket
	delay time.Duration
}

func (b slowBucket) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	if err := sleep(ctx, b.delay); err != nil {
		return nil, err
	}
	return b.Bucket.Read(ctx, name, off, n)
}
