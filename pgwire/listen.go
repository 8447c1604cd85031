package pgwire

import "context"

// LISTEN and UNLISTEN succeed and do nothing: connection pools send them, and
// nothing here ever notifies.

func parseListen(p *parser) (command, error) {
	if _, err := p.name(); err != nil {
		return nil, err
	}
	return &action{tag: "LISTEN", do: nothing}, p.end()
}

func parseUnlisten(p *parser) (command, error) {
	if !p.acceptOp("*") {
		if _, err := p.name(); err != nil {
			return nil, err
		}
	}
	return &action{tag: "UNLISTEN", do: nothing}, p.end()
}

func nothing(context.Context, *session) error { return nil }
