package ingest

import "github.com/stackhouse-db/stackhouse/warehouse/failpoint"

// Failpoints of a segment's way.
var (
	beforePut      = failpoint.Declare("ingest.put.before", "pushes wait; their segment is about to be stored")
	afterPut       = failpoint.Declare("ingest.put.after", "a segment is stored; nobody knows it")
	beforeRegister = failpoint.Declare("ingest.register.before", "a segment is stored and about to be registered")
	afterRegister  = failpoint.Declare("ingest.register.after", "a segment is registered; its pushes are not answered")
	beforeAck      = failpoint.Declare("ingest.ack.before", "a segment is live and in the cache; its pushes are about to be answered")
	beforeAbort    = failpoint.Declare("ingest.abort.before", "whether a segment was registered is not known; it is about to be aborted")
	afterAbort     = failpoint.Declare("ingest.abort.after", "a segment was aborted, or is live after all")
)

// step does something that changes what is outside of memory.
func (in *Ingester) step(before, after failpoint.Name, do func() error) error {
	if err := in.opts.Failpoints.Hit(before); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return in.opts.Failpoints.Hit(after)
}
