package failpoint

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Parse reads points from text: "name=action[@n]", separated by commas, where the
// action is kill or error and n the hit that acts, 1 by default. A name that is not
// declared is an Invalid error.
func Parse(text string) (*Points, error) {
	p := &Points{}
	for _, one := range strings.Split(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		name, action, ok := strings.Cut(one, "=")
		action, hit, counted := strings.Cut(action, "@")
		n := int64(1)
		var err error
		if counted {
			n, err = strconv.ParseInt(hit, 10, 64)
		}
		known := slices.ContainsFunc(All(), func(d Doc) bool { return d.Name == Name(name) })
		switch {
		case !ok || err != nil || n < 1:
			return nil, warehouse.Errorf(warehouse.Invalid, "failpoint %q: want name=action[@n]", one)
		case !known:
			return nil, warehouse.Errorf(warehouse.Invalid, "failpoint %q is not known", name)
		case action == "kill":
			p.Set(Name(name), n, Kill)
		case action == "error":
			p.Set(Name(name), n, Error(Name(name)))
		default:
			return nil, warehouse.Errorf(warehouse.Invalid, "failpoint %q: action %q is neither kill nor error", name, action)
		}
	}
	return p, nil
}
