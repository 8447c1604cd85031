package warehouse

import "fmt"

// Damage is stored bytes that are not what the index says of them: the cause of an
// error of kind Corrupt, and what an operator has to know to put them right.
type Damage struct {
	Object   string // its name in the bucket
	What     string // of it: "samples of acme 2026-03-01T10", "the footer"
	Offset   int64  // bytes from the start of the object to what is damaged
	Size     int64  // bytes of it, by the index; 0 if that does not say
	Expected string // by the index: "CRC-32C 8a9136aa", "4096 bytes"
	Found    string // "CRC-32C 00000000", "12 bytes", "no object"
}

// Error names the object, the bytes in it, and what was expected and found.
func (d *Damage) Error() string {
	where := d.What
	if d.Size > 0 {
		where = fmt.Sprintf("%s, bytes %d to %d", d.What, d.Offset, d.Offset+d.Size)
	}
	return fmt.Sprintf("%s: %s: found %s, expected %s", d.Object, where, d.Found, d.Expected)
}
