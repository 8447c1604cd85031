// Package object stores whole, immutable objects by name: on a file system, in
// memory, or in any store that thanos-io/objstore has a provider for.
//
// # Parts
//
//   - bucket.go: [Bucket] and the promises that every implementation keeps
//   - name.go: which names are allowed
//   - filesystem.go, folder.go, list.go: the file system bucket; os.go is the
//     seam through which tests fail single steps and simulate power loss
//   - objstore.go: any objstore.Bucket as a Bucket; objstore_out.go: the way back
//   - readonly.go: the file system bucket, to look at only
//   - memory.go: a bucket in memory
//   - instrument.go: metrics around any bucket
//   - objecttest: the promises as tests, and buckets that fail on purpose
//
// # Guarantees
//
//   - What Put has acknowledged is there after a crash or a power loss, whole.
//   - A reader sees an object as one Put left it, never a mixture.
//   - A name never reaches outside the bucket.
//   - No function starts a goroutine that outlives it.
//
// The package knows neither what objects mean nor their checksums: the index
// has those, and warehouse/cache compares them. Which objects are live is the
// metastore's knowledge, never a listing's.
package object
