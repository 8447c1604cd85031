package statement

import "sync"

// Releaser is a pinned snapshot.
type Releaser interface{ Release() }

// Pin keeps the snapshot that a transaction's first statement took, so that its
// later statements see the same. The zero Pin holds nothing yet.
//
// Concurrency: safe for concurrent use. Ownership: who makes it closes it, after
// the Rows of every statement that had it are closed.
type Pin struct {
	mu   sync.Mutex
	held Releaser
}

// Hold returns what is pinned; the first call that succeeds pins what take
// returns.
func (p *Pin) Hold(take func() (Releaser, error)) (Releaser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		return p.held, nil
	}
	r, err := take()
	if err != nil {
		return nil, err
	}
	p.held = r
	return r, nil
}

// Close releases the snapshot, if one is held.
func (p *Pin) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		p.held.Release()
		p.held = nil
	}
}
