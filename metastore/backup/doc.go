// Package backup copies what a running metastore names as live to another bucket, and
// verifies such a copy.
//
// # Parts
//
//   - list.go: the file BACKUP, which says what belongs to a backup
//   - contents.go: the files of a state, and how each is verified
//   - copy.go: a backup is made, or brought up to date
//   - verify.go: a backup is verified, and copied to where it is restored
//   - leases.go: the server's side: snapshots that are held while they are copied
//
// # Guarantees
//
//   - A backup is of one moment: of one snapshot, whose objects stay while they are
//     copied.
//   - Every byte is verified against the index before it is stored. BACKUP is written
//     last: a place without one, or with an older one, is not the new backup.
//   - What a place has already, and whose bytes are right, is not copied again.
//   - Nothing is restored of a backup before all of it was verified.
//
// Making a directory of a backup's state is the work of package metastore.
package backup
