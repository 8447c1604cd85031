package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// overview is what the index knows of a tenant: no stored object is read. A service of
// which some profiles are deleted counts these until their parts are rewritten.
type overview struct {
	Services []*service // by name
	Profiles int64
	Samples  int64
	Bytes    int64
	Range    warehouse.TimeRange
}

// service is what a tenant has of one service.
type service struct {
	Name     string
	Profiles int64
	Samples  int64
	Types    []string // sorted
	Range    warehouse.TimeRange
}

func (s *Server) overview(ctx context.Context, t warehouse.Tenant) (*overview, error) {
	snap, err := s.index.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Release()
	bounds := snap.Bounds(t)
	if bounds.IsEmpty() {
		return overviewOf(nil, nil), nil
	}
	return overviewOf(snap.Parts(t, bounds), snap.Deletions(t)), nil
}

func overviewOf(parts []*warehouse.Part, deletions []*warehouse.Deletion) *overview {
	o := &overview{Range: warehouse.EmptyRange}
	byName := map[string]*service{}
	for _, p := range parts {
		o.Bytes += p.SizeBytes()
		masks := warehouse.MasksOf(deletions, p)
		for i := range p.Datasets {
			ds := visible(&p.Datasets[i], masks)
			if len(ds.Types) == 0 && masks != nil {
				continue
			}
			svc := byName[ds.Service]
			if svc == nil {
				svc = &service{Name: ds.Service, Range: warehouse.EmptyRange}
				byName[ds.Service] = svc
				o.Services = append(o.Services, svc)
			}
			o.Profiles += ds.Profiles
			o.Samples += svc.add(ds)
			for _, t := range ds.Types {
				o.Range = o.Range.Union(t.Range)
			}
		}
	}
	slices.SortFunc(o.Services, func(a, b *service) int { return strings.Compare(a.Name, b.Name) })
	return o
}

// visible returns a dataset without the types that are deleted as a whole.
func visible(ds *warehouse.Dataset, masks []*warehouse.Deletion) *warehouse.Dataset {
	if masks == nil {
		return ds
	}
	out := *ds
	out.Types = nil
	for _, t := range ds.Types {
		if _, gone := warehouse.MasksOfDataset(masks, ds.Service, t.Type, t.Range); !gone {
			out.Types = append(out.Types, t)
		}
	}
	return &out
}

// add sums a part's dataset up and returns its samples.
func (s *service) add(ds *warehouse.Dataset) int64 {
	var samples int64
	for _, t := range ds.Types {
		samples += t.Rows
		s.Range = s.Range.Union(t.Range)
		if i, found := slices.BinarySearch(s.Types, t.Type); !found {
			s.Types = slices.Insert(s.Types, i, t.Type)
		}
	}
	s.Profiles += ds.Profiles
	s.Samples += samples
	return samples
}

// example is a question about what is stored.
type example struct {
	Service, Type string
	IsRecent      bool  // the service has profiles of the last hour
	From, To      int64 // ms; of its last hour with profiles, unless IsRecent
}

// example returns a question that has an interesting answer. It goes into a
// command that people paste into a shell, and services are named by whoever may
// push: a name that could end its quotes is not used.
func (o *overview) example(now time.Time) example {
	const usual = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	e := example{Service: "my-service", Type: usual, IsRecent: true}
	if o == nil {
		return e
	}
	var most int64
	for _, svc := range o.Services {
		if svc.Samples <= most || !isPlain(svc.Name) {
			continue
		}
		if t, ok := svc.exampleType(usual); ok {
			most = svc.Samples
			last := svc.Range.To.Time()
			e = example{
				Service: svc.Name, Type: t, IsRecent: !last.Before(now.Add(-time.Hour)) && !last.After(now),
				From: last.Add(-time.Hour).UnixMilli(), To: last.UnixMilli() + 1,
			}
		}
	}
	return e
}

// exampleType returns the usual type if the service has it, else its first.
func (s *service) exampleType(usual string) (string, bool) {
	if slices.Contains(s.Types, usual) {
		return usual, true
	}
	i := slices.IndexFunc(s.Types, isPlain)
	if i < 0 {
		return "", false
	}
	return s.Types[i], true
}

// isPlain reports whether s needs no quotes in a shell or in JSON.
func isPlain(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return isNotServiceRune(r) && r != ':'
	}) < 0
}

// First and Last are the times of the first and last profile.
func (s *service) First() string { return timeText(s.Range.From) }

// Last is the time of the last profile.
func (s *service) Last() string { return timeText(s.Range.To) }

// kind is the types of one profile: a heap profile has four sample types.
type kind struct {
	Name        string
	SampleTypes string
}

// Kinds returns the service's types by name.
func (s *service) Kinds() []kind {
	var out []kind
	for _, t := range s.Types {
		name, rest, _ := strings.Cut(t, ":")
		sample, _, _ := strings.Cut(rest, ":")
		switch last := len(out) - 1; {
		case last < 0 || out[last].Name != name:
			out = append(out, kind{name, sample})
		case !slices.Contains(strings.Split(out[last].SampleTypes, ", "), sample):
			out[last].SampleTypes += ", " + sample
		}
	}
	return out
}

// ProfilesText is the number of profiles with thousands apart.
func (s *service) ProfilesText() string { return countText(s.Profiles) }

// SamplesText is the number of samples with thousands apart.
func (s *service) SamplesText() string { return countText(s.Samples) }

// ProfilesText is the number of profiles with thousands apart.
func (o *overview) ProfilesText() string { return countText(o.Profiles) }

// SamplesText is the number of samples with thousands apart.
func (o *overview) SamplesText() string { return countText(o.Samples) }

// BytesText is the size of what is stored.
func (o *overview) BytesText() string { return bytesText(o.Bytes) }

// First is the time of the first profile.
func (o *overview) First() string { return timeText(o.Range.From) }

// Last is the time of the last profile.
func (o *overview) Last() string { return timeText(o.Range.To) }

func timeText(m warehouse.Micros) string { return m.Time().Format("2006-01-02 15:04:05") }

// countText writes n with thin spaces between thousands.
func countText(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u2009')
		}
		b.WriteRune(d)
	}
	return b.String()
}

func bytesText(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

func retentionText(d time.Duration) string {
	switch {
	case d <= 0:
		return "for ever"
	case d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}
