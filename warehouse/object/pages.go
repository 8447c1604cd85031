package object

// DropPages lets the system forget what it has in memory of a file, so that the next
// one who reads it gets what the disk has. It is best effort: pages that somebody
// has mapped, or that were not written yet, stay.
func DropPages(path string) { dropPages(path) }
