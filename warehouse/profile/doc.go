// Package profile turns the bytes of one received pprof into the rows and
// definitions that Stackhouse stores.
//
// # Parts
//
//   - raw.go, limits.go: what comes in and how large it may be
//   - inflate.go: bounded gunzip in one go
//   - wire.go, decode.go, message.go, idindex.go: protobuf bytes to flat tables,
//     checking every reference
//   - labels.go, sampletype.go: the names of the series
//   - split.go: sample labels to series labels, span and trace ids
//   - hash.go: the canonical encoding of ids, drawn byte by byte
//   - symbol.go, normalize.go: identities of a profile's stacks; dropping and
//     merging of samples
//   - definition.go: what a stack id stands for, kept until the profile is stored
//   - prepare.go: all of it, in order
//
// # Guarantees
//
//   - No input panics, and memory is bounded by [Limits], also where a few bytes
//     refer to much (long names in many stacks, many labels on each sample).
//   - Nothing is changed silently: what is dropped or cut is counted in the
//     [Prepared] profile and marked in its flags; everything else that is not as
//     it should be is an Invalid error with a reason.
//   - Equal content has equal ids, in every process and for ever.
//
// Storing is not its job (see ingest), nor is any other format than pprof (see
// ingest/decode).
package profile
