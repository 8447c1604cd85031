package state

import "github.com/stackhouse-db/stackhouse/warehouse"

// RaiseHorizon says that no object whose id was made up to an instant, in
// milliseconds since the epoch, may become live from now on: those that nobody
// knows are about to be deleted. A horizon never sinks. Its answer is the horizon,
// a uint64.
//
// Why an instant and no list of ids: what is remembered for a while is forgotten in
// the end, and an upload or a registration may be later than that.
type RaiseHorizon struct{ Millis uint64 }

// Kind returns KindRaiseHorizon.
func (RaiseHorizon) Kind() Kind { return KindRaiseHorizon }

func (c RaiseHorizon) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.Uvarint(c.Millis)
	return e.Bytes()
}

func decodeRaiseHorizon(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := RaiseHorizon{Millis: d.Uvarint()}
	return c, d.Finish()
}

func (c RaiseHorizon) apply(s *State, _ moment) any {
	s.draft.horizon = max(s.draft.horizon, c.Millis)
	return s.draft.horizon
}

// isPast reports whether an object of that id can not become live any more.
func (v *View) isPast(id warehouse.ObjectID) bool { return v.horizon > 0 && id.Time() <= v.horizon }
