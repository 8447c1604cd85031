// Package rebuild makes the metastore's state again from what is in the bucket: the
// newest manifest, and the objects that were registered after it.
//
// # Parts
//
//   - rebuild.go: the steps, in their order
//   - inventory.go: what the bucket has
//   - blocks.go: which blocks stand for inputs that are gone
//   - segments.go: which segments are registered again, and without which profiles
//   - rows.go: the profiles that a part holds
//   - report.go: what was found, for people
//
// # Guarantees
//
//   - What was acknowledged is there: every profile of a registered segment is in
//     the state that is made, unless retention drops it.
//   - A profile that was to count once counts once, however many objects hold it.
//   - What cannot be explained is an error that names the object: an object that is
//     missing and that nothing stands for, bytes that are damaged. Nothing is
//     dropped unless the caller accepts the loss.
//   - The bucket's objects are never changed or deleted. Two kinds of objects may be
//     added: segments that hold what is kept of another, and a manifest.
//
// docs/adr/0055 tells which objects are taken, and why that is right. Making a
// directory of the state is the work of package metastore.
package rebuild
