package compactor

import (
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// datasetName is a service and a profile type.
type datasetName struct{ service, typ string }

// profileTable holds the profiles of all inputs, sorted.
type profileTable struct {
	rows []block.ProfileRow
	sums map[datasetName]sum // of their values
}

func keyOf(r *block.ProfileRow) runKey { return runKey{r.Service, r.Type, r.Series, r.Time, r.ID} }

// read adds the profiles of a file; leaveOut takes those that it does not want.
func (t *profileTable) read(p *warehouse.Part, data []byte, leaveOut func(*block.ProfileRow) bool) error {
	err := block.ReadProfiles(data, func(r block.ProfileRow) error {
		if r.Value < 0 {
			return warehouse.Errorf(warehouse.Corrupt, "profile %s has the value %d", r.ID, r.Value)
		}
		if leaveOut(&r) {
			return nil
		}
		t.rows = append(t.rows, r)
		name := datasetName{r.Service, r.Type}
		s := t.sums[name]
		s.add(r.Value)
		t.sums[name] = s
		return nil
	})
	if err != nil {
		return inputError(p, warehouse.TableProfiles, err)
	}
	return nil
}

func (t *profileTable) sort() {
	slices.SortFunc(t.rows, func(a, b block.ProfileRow) int {
		x, y := keyOf(&a), keyOf(&b)
		return x.compare(&y)
	})
}

// take removes the rows up to a key from the front and returns them; nil takes all.
func (t *profileTable) take(last *runKey) []block.ProfileRow {
	n := len(t.rows)
	if last != nil {
		n, _ = slices.BinarySearchFunc(t.rows, *last, func(r block.ProfileRow, k runKey) int {
			key := keyOf(&r)
			if key.compare(&k) <= 0 {
				return -1
			}
			return 1
		})
	}
	taken := t.rows[:n:n]
	t.rows = t.rows[n:]
	return taken
}
