package metastore

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSmoke(t *testing.T) {
	start := time.Now()
	m, err := Open(Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	require.NoError(t, m.WaitReady(ctx))
	t.Log(time.Since(start))
	_, err = m.AddSegment(ctx, &warehouse.Segment{})
	require.Error(t, err)
	cancel()
	require.NoError(t, <-done)
	t.Log(time.Since(start))
}
