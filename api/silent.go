package api

import (
	"net"
	"net/http"
	"sync"
)

// silentConns are the connections that have not sent a byte yet: clients open
// some in advance, and probes only connect. http.Server.Shutdown waits five
// seconds for their first request, which no client that is told to go away would
// send.
//
// Concurrency: all methods may overlap.
type silentConns struct {
	mu struct {
		sync.Mutex
		conns  map[net.Conn]struct{}
		closed bool // new ones are closed at once
	}
}

// observe is http.Server's ConnState.
func (c *silentConns) observe(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(c.mu.conns, conn)
	case c.mu.closed:
		_ = conn.Close() // its reader ends it
	default:
		if c.mu.conns == nil {
			c.mu.conns = map[net.Conn]struct{}{}
		}
		c.mu.conns[conn] = struct{}{}
	}
}

// close closes all of them.
func (c *silentConns) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.closed = true
	for conn := range c.mu.conns {
		_ = conn.Close() // its reader ends it
	}
}
