package pgwire

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// maxParamBytes is the longest value of a parameter that a client may set.
const maxParamBytes = 16 << 10

// params are the run-time parameters of one session. Keys are lower case.
type params struct {
	initial  map[string]string // what RESET goes back to, where it is not the definition's
	state    paramState
	reported map[string]string // what the client was told
	all      map[string]string // every value; nil when out of date
}

// paramState is what a transaction may undo.
type paramState struct {
	session map[string]string // SET
	local   map[string]string // SET LOCAL
}

func newParams(initial map[string]string) *params {
	return &params{initial: initial, state: paramState{map[string]string{}, map[string]string{}}, reported: map[string]string{}}
}

// get returns a value; ok is false for a parameter that does not exist.
func (p *params) get(name string) (value string, ok bool) {
	name = strings.ToLower(name)
	for _, m := range []map[string]string{p.state.local, p.state.session, p.initial} {
		if v, ok := m[name]; ok {
			return v, true
		}
	}
	if slices.Contains(transactionParams, name) {
		return p.get("default_" + name)
	}
	def, ok := paramDefs[name]
	return def.initial, ok
}

// transactionParams are those whose value is their default_… unless they are set.
var transactionParams = []string{"transaction_deferrable", "transaction_isolation", "transaction_read_only"}

// value is get of a parameter that exists.
func (p *params) value(name string) string {
	v, _ := p.get(name)
	return v
}

// duration is the value of a parameter in milliseconds.
func (p *params) duration(name string) time.Duration {
	d, _ := parseDuration(p.value(name))
	return d
}

// set changes a value, until the transaction's end if local.
func (p *params) set(name, value string, local bool) error {
	name = strings.ToLower(name)
	value, err := checkParam(name, value)
	if err != nil {
		return err
	}
	if len(p.state.session)+len(p.state.local) > maxNames {
		return errorf(stateConfigurationLimit, "too many parameters are set: the limit is %d", maxNames)
	}
	if local {
		p.state.local[name] = value
	} else {
		p.state.session[name] = value
		delete(p.state.local, name)
	}
	p.all = nil
	return nil
}

// checkParam returns the canonical form of a value.
func checkParam(name, value string) (string, error) {
	if len(value) > maxParamBytes {
		return "", errorf(stateProgramLimit, "value of parameter %q has %d bytes, the limit is %d", clip(name), len(value), maxParamBytes)
	}
	def, ok := paramDefs[name]
	switch {
	case !ok && isCustomParam(name):
		return value, nil
	case !ok:
		return "", unknownParam(name)
	case def.fixed:
		return "", errorf(stateCannotChangeParameter, "parameter %q cannot be changed", def.name)
	}
	canonical, err := def.check(value)
	if err != nil {
		e := asPGError(err)
		e.detail = e.message
		e.message = `invalid value for parameter "` + def.name + `": "` + clip(value) + `"`
		return "", e
	}
	return canonical, nil
}

// isCustomParam reports whether a name is of a class, as in myapp.user: those need
// no definition.
func isCustomParam(name string) bool {
	class, rest, dotted := strings.Cut(name, ".")
	return dotted && class != "" && rest != "" && len(name) < 256
}

func unknownParam(name string) *pgError {
	return errorf(stateUndefinedObject, "unrecognized configuration parameter %q", clip(name))
}

// reset goes back to the initial value.
func (p *params) reset(name string) error {
	name = strings.ToLower(name)
	def, ok := paramDefs[name]
	switch {
	case !ok && !isCustomParam(name):
		return unknownParam(name)
	case def.fixed:
		return errorf(stateCannotChangeParameter, "parameter %q cannot be changed", def.name)
	}
	delete(p.state.session, name)
	delete(p.state.local, name)
	p.all = nil
	return nil
}

func (p *params) resetAll() {
	p.state = paramState{map[string]string{}, map[string]string{}}
	p.all = nil
}

// save returns the state, to be restored later.
func (p *params) save() paramState {
	return paramState{maps.Clone(p.state.session), maps.Clone(p.state.local)}
}

func (p *params) restore(to paramState) {
	p.state = paramState{maps.Clone(to.session), maps.Clone(to.local)}
	p.all = nil
}

// endLocal forgets what was set for the transaction.
func (p *params) endLocal() {
	if len(p.state.local) > 0 {
		clear(p.state.local)
		p.all = nil
	}
}

// settings returns every value by lower-case name. The map is not changed later.
func (p *params) settings() map[string]string {
	if p.all != nil {
		return p.all
	}
	p.all = make(map[string]string, len(paramDefs))
	for name, def := range paramDefs {
		p.all[name] = def.initial
	}
	for _, m := range []map[string]string{p.initial, p.state.session, p.state.local} {
		maps.Copy(p.all, m)
	}
	for _, def := range transactionParams {
		p.all[def] = p.value(def)
	}
	return p.all
}

// changes returns the reported parameters whose values the client does not know,
// by name, and takes them as told.
func (p *params) changes() []mode {
	var out []mode
	for _, name := range reportedParams {
		v := p.value(name)
		if told, ok := p.reported[name]; !ok || told != v {
			p.reported[name] = v
			out = append(out, mode{paramDefs[name].name, v})
		}
	}
	return out
}

// reportedParams are those with report, sorted.
var reportedParams = func() []string {
	var names []string
	for name, def := range paramDefs {
		if def.report {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}()
