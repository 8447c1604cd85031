package object_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/filesystem"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newFilesystem(t *testing.T) object.Bucket {
	b, err := object.NewFilesystem(t.TempDir())
	require.NoError(t, err)
	return b
}

func newProvider(t *testing.T) objstore.Bucket {
	b, err := filesystem.NewBucket(t.TempDir())
	require.NoError(t, err)
	return b
}

func TestFilesystem(t *testing.T) { objecttest.Run(t, newFilesystem) }

func TestFilesystemOnDisk(t *testing.T) {
	objecttest.Run(t, func(t *testing.T) object.Bucket {
		b, err := object.NewFilesystemOn(objecttest.NewDisk(), "/data/bucket")
		require.NoError(t, err)
		return b
	})
}

func TestMemory(t *testing.T) {
	objecttest.Run(t, func(*testing.T) object.Bucket { return object.NewMemory() })
}

func TestFromObjstoreFilesystem(t *testing.T) {
	lacks := objecttest.Lacks{AtomicPut: true, ConcurrentUse: true}
	objecttest.RunWith(t, lacks, func(t *testing.T) object.Bucket { return object.FromObjstore(newProvider(t)) })
}

func TestObjstoreThereAndBack(t *testing.T) {
	objecttest.Run(t, func(t *testing.T) object.Bucket { return object.FromObjstore(object.ToObjstore(newFilesystem(t))) })
}

func TestFaultyWithoutFaults(t *testing.T) {
	objecttest.Run(t, func(*testing.T) object.Bucket {
		return objecttest.NewFaulty(object.NewMemory(), objecttest.FaultPlan{})
	})
}

func TestInstrumented(t *testing.T) {
	objecttest.Run(t, func(t *testing.T) object.Bucket {
		return object.Instrument(newFilesystem(t), prometheus.NewRegistry())
	})
}

// TestObjstoreAcceptance runs objstore's own suite on our buckets.
func TestObjstoreAcceptance(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 200 MiB")
	}
	for name, open := range map[string]func(*testing.T) object.Bucket{
		"filesystem": newFilesystem,
		"memory":     func(*testing.T) object.Bucket { return object.NewMemory() },
	} {
		t.Run(name, func(t *testing.T) { objstore.AcceptanceTest(t, object.ToObjstore(open(t))) })
	}
}
