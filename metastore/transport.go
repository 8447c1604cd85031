package metastore

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

const (
	dialPool    = 3
	peerTimeout = 10 * time.Second
)

// peerListener is the socket of the other nodes.
//
// Raft's protocol has no credentials: who can speak it can write the log. While
// the node is its cluster's only member there is nobody to speak to, and every
// connection is closed unread.
type peerListener struct {
	net.Listener
	hasPeers atomic.Bool
}

func listenForPeers(addr string) (*peerListener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Unavailable, "open metastore: %w", err)
	}
	return &peerListener{Listener: l}, nil
}

// Accept returns the next connection, once there is somebody to expect.
func (l *peerListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.hasPeers.Load() {
			return conn, err
		}
		_ = conn.Close()
	}
}

// Dial connects to another node.
func (l *peerListener) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(addr), timeout)
}

// transport returns how nodes talk: over the listener, or, if there is none, to
// nobody.
func (m *Metastore) transport() raft.Transport {
	if m.peers == nil {
		_, t := raft.NewInmemTransport(raft.ServerAddress(m.dir.node))
		return t
	}
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: m.peers, MaxPool: dialPool, Timeout: peerTimeout, Logger: m.raftLog,
	})
}
