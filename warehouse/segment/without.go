package segment

import (
	"encoding/hex"
	"errors"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// Without returns the bytes of a new segment, of the given id, that holds what a
// whole segment holds but for the profiles that drop names. Definitions stay with
// every part that keeps a profile; parts that keep none are left out, and a segment
// without any is nil.
//
// It is for those who put an index together from objects: two segments may hold a
// profile that was to count once. Damaged bytes are a Corrupt error.
func Without(data []byte, id warehouse.ObjectID, drop func(warehouse.ProfileKey) bool) ([]byte, *warehouse.Segment, error) {
	old, err := Decode(data)
	if err != nil {
		return nil, nil, err
	}
	seg := &warehouse.Segment{ID: id, Shard: old.Shard, Epochs: old.Epochs}
	var kept []keptPart
	for i := range old.Parts {
		k, err := keepOf(data, &old.Parts[i], drop)
		if err != nil {
			return nil, nil, err
		}
		if len(k.profiles) > 0 {
			k.part.Object = id
			seg.Parts = append(seg.Parts, k.part)
			kept = append(kept, k)
		}
	}
	if len(kept) == 0 {
		return nil, nil, nil
	}
	seg.Profiles = slices.DeleteFunc(slices.Clone(old.Profiles), drop)
	b := NewBuilder(seg)
	for i := range kept {
		if err := kept[i].encode(b, i, data); err != nil {
			return nil, nil, err
		}
	}
	out, err := b.Finish()
	return out, seg, err
}

// keptPart is what is kept of a part.
type keptPart struct {
	old      *warehouse.Part
	part     warehouse.Part // described anew
	profiles []block.ProfileRow
	samples  []block.SampleRow
}

// keepOf reads the rows of a part and leaves out those of profiles to drop.
func keepOf(data []byte, p *warehouse.Part, drop func(warehouse.ProfileKey) bool) (keptPart, error) {
	k := keptPart{old: p, part: *p}
	found := described{types: map[typeKey]*warehouse.TypeStats{}, profiles: map[string]map[warehouse.ProfileID]struct{}{}}
	if err := readSection(data, p, warehouse.TableProfiles, func(section []byte) error {
		return block.ReadProfiles(section, func(row block.ProfileRow) error {
			if drop(warehouse.ProfileKey{Tenant: p.Tenant, ID: row.ID}) {
				return nil
			}
			k.profiles = append(k.profiles, row)
			return found.profile(row)
		})
	}); err != nil {
		return k, err
	}
	if err := readSection(data, p, warehouse.TableSamples, func(section []byte) error {
		return block.ReadSamples(section, func(row block.SampleRow) error {
			if drop(warehouse.ProfileKey{Tenant: p.Tenant, ID: row.Profile}) {
				return nil
			}
			k.samples = append(k.samples, row)
			return found.sample(row)
		})
	}); err != nil {
		return k, err
	}
	k.part.Datasets, k.part.Range = found.datasets(), warehouse.EmptyRange
	for _, t := range found.types {
		k.part.Range = k.part.Range.Union(t.Range)
	}
	return k, nil
}

// encode adds the part's sections to the i-th part of a builder. Definitions are
// copied as they are.
func (k *keptPart) encode(b *Builder, i int, data []byte) error {
	if len(k.samples) > 0 {
		rec, err := samplesRecord(k.samples)
		if err != nil {
			return err
		}
		defer rec.Release()
		if err := b.Encode(i, warehouse.TableSamples, rec); err != nil {
			return err
		}
	}
	rec := block.ProfilesRecord(k.profiles)
	defer rec.Release()
	if err := b.Encode(i, warehouse.TableProfiles, rec); err != nil {
		return err
	}
	for _, t := range []warehouse.Table{warehouse.TableSeries, warehouse.TableStacktraces} {
		s, ok := k.old.Section(t)
		if !ok {
			continue
		}
		section, err := Section(data, k.old, t)
		if err != nil {
			return err
		}
		b.Section(i, t, s.Rows, section)
	}
	return nil
}

// runKey is what the samples of a run share.
type runKey struct {
	service, profileType string
	series               warehouse.SeriesID
	time                 warehouse.Micros
	profile              warehouse.ProfileID
}

// samplesRecord makes columns of rows, which are in stored order.
//
// Ownership: the caller releases the record.
func samplesRecord(rows []block.SampleRow) (arrow.RecordBatch, error) {
	var dicts block.Dicts
	var runs []block.Run
	var last runKey
	services, types := map[string]int32{}, map[string]int32{}
	stacks, values := make([]warehouse.StacktraceID, len(rows)), make([]int64, len(rows))
	spans, traces := make([]warehouse.SpanID, len(rows)), make([]warehouse.TraceID, len(rows))
	for i := range rows {
		r := &rows[i]
		var err1, err2 error
		stacks[i], values[i] = r.Stacktrace, r.Value
		spans[i], err1 = spanOf(r.Span)
		traces[i], err2 = traceOf(r.Trace)
		if err := errors.Join(err1, err2); err != nil {
			return nil, warehouse.Errorf(warehouse.Corrupt, "read sample of profile %s: span %q, trace %q: %w", r.Profile, r.Span, r.Trace, err)
		}
		key := runKey{r.Service, r.Type, r.Series, r.Time, r.Profile}
		if i > 0 && key == last {
			runs[len(runs)-1].N++
			continue
		}
		last = key
		runs = append(runs, block.Run{
			Service: indexIn(services, &dicts.Services, r.Service), Type: indexIn(types, &dicts.Types, r.Type),
			Series: r.Series, Time: r.Time, Profile: r.Profile, N: 1,
		})
	}
	return block.SamplesRecord(dicts, runs, stacks, values, spans, traces), nil
}

// indexIn returns the index of text in a list without doubles, which it extends.
func indexIn(known map[string]int32, list *[]string, text string) int32 {
	i, ok := known[text]
	if !ok {
		i = int32(len(*list))
		known[text] = i
		*list = append(*list, text)
	}
	return i
}

func spanOf(text string) (warehouse.SpanID, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 16, 64)
	return warehouse.SpanID(n), err
}

func traceOf(text string) (id warehouse.TraceID, err error) {
	if text == "" {
		return id, nil
	}
	if len(text) != 2*len(id) {
		return id, hex.ErrLength
	}
	_, err = hex.Decode(id[:], []byte(text))
	return id, err
}
