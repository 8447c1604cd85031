package main

import (
	wire "encoding/binary" // e2e tests have a variable binary
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

// conversation speaks the protocol message by message, as drivers do that read rows
// in pieces and pgx does not.
type conversation struct {
	*testing.T
	*pgproto3.Frontend
}

func (w *sqlWorld) converse(t *testing.T) conversation {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.dsn())
	require.NoError(t, err)
	taken, err := conn.PgConn().Hijack()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, taken.Conn.Close()) })
	return conversation{t, taken.Frontend}
}

// piece is what one Execute gave.
type piece struct {
	values []int64
	end    string // a command tag, "suspended" or an SQLSTATE
}

// sync sends Sync and returns the pieces up to ReadyForQuery, and its status.
func (c conversation) sync() (pieces []piece, status byte) {
	c.Helper()
	c.SendSync(&pgproto3.Sync{})
	require.NoError(c, c.Flush())
	var p piece
	end := func(how string) {
		p.end = how
		pieces = append(pieces, p)
		p = piece{}
	}
	for {
		msg, err := c.Receive()
		require.NoError(c, err)
		switch m := msg.(type) {
		case *pgproto3.DataRow:
			require.Len(c, m.Values, 1)
			p.values = append(p.values, int64(wire.BigEndian.Uint64(m.Values[0])))
		case *pgproto3.PortalSuspended:
			end("suspended")
		case *pgproto3.CommandComplete:
			end(string(m.CommandTag))
		case *pgproto3.ErrorResponse:
			end(m.Code)
		case *pgproto3.ReadyForQuery:
			return pieces, m.TxStatus
		}
	}
}

func (c conversation) execute(portal string, rows uint32) {
	c.SendExecute(&pgproto3.Execute{Portal: portal, MaxRows: rows})
}

// run runs a statement without rows.
func (c conversation) run(text string) {
	c.Helper()
	c.SendParse(&pgproto3.Parse{Query: text})
	c.SendBind(&pgproto3.Bind{})
	c.execute("", 0)
	pieces, _ := c.sync()
	require.Len(c, pieces, 1)
	require.Empty(c, pieces[0].values)
}

// testPgxRowLimits: two portals of one statement in turns, in binary, a limited
// number of rows at a time.
func testPgxRowLimits(t *testing.T, w *sqlWorld) {
	c := w.converse(t)
	c.run("begin")
	c.SendParse(&pgproto3.Parse{Name: "values", Query: "select value from samples where service_name = $1 and profile_type = $2 order by value"})
	services := []string{"cart", "payments"}
	for _, service := range services {
		c.SendBind(&pgproto3.Bind{
			DestinationPortal: service, PreparedStatement: "values",
			Parameters: [][]byte{[]byte(service), []byte(samplesType)}, ResultFormatCodes: []int16{pgx.BinaryFormatCode},
		})
	}
	got, ends := map[string][]int64{}, map[string]string{}
	for len(ends) < len(services) {
		var asked []string
		for i, service := range services {
			if ends[service] == "" {
				c.execute(service, uint32(7+4*i))
				asked = append(asked, service)
			}
		}
		pieces, status := c.sync()
		require.Equal(t, byte('T'), status)
		require.Len(t, pieces, len(asked))
		for i, p := range pieces {
			got[asked[i]] = append(got[asked[i]], p.values...)
			if p.end != "suspended" {
				ends[asked[i]] = p.end
			}
		}
	}
	for i, service := range services {
		var sum int64
		for _, v := range got[service] {
			sum += v
		}
		rows := len(got[service])
		require.Equal(t, w.sum(func(f sqlFact) bool { return f.service == service && f.typ == samplesType }), sum, service)
		require.Equal(t, fmt.Sprintf("SELECT %d", rows%(7+4*i)), ends[service], "the tag counts the last piece")
	}

	c.execute("cart", 1) // it is at its end
	c.SendClose(&pgproto3.Close{ObjectType: 'P', Name: "payments"})
	pieces, _ := c.sync()
	require.Equal(t, []piece{{end: "SELECT 0"}}, pieces)
	c.run("commit")
	c.execute("cart", 1)
	pieces, status := c.sync()
	require.Equal(t, []piece{{end: "34000"}}, pieces, "portals end with their transaction")
	require.Equal(t, byte('I'), status)
}

// testPgxBatch: statements sent ahead are answered one by one, up to the first that
// fails.
func testPgxBatch(t *testing.T, w *sqlWorld) {
	conn := w.connect(t)
	services := []string{"cart", "checkout", "payments"}
	batch := &pgx.Batch{}
	for _, service := range services {
		batch.Queue("select sum(value)::bigint from samples where service_name = $1 and profile_type = $2", service, cpuType)
	}
	results := conn.SendBatch(t.Context(), batch)
	for _, service := range services {
		var sum int64
		require.NoError(t, results.QueryRow().Scan(&sum))
		require.Equal(t, w.sum(func(f sqlFact) bool { return f.service == service && f.typ == cpuType }), sum)
	}
	require.NoError(t, results.Close())

	batch = &pgx.Batch{}
	batch.Queue("select 1")
	batch.Queue("select 'x'::int") // described, and fails when it runs
	batch.Queue("select 3")
	results = conn.SendBatch(t.Context(), batch)
	var one int
	require.NoError(t, results.QueryRow().Scan(&one))
	var failed *pgconn.PgError
	require.ErrorAs(t, results.QueryRow().Scan(&one), &failed)
	require.Equal(t, "22P02", failed.Code)
	require.Error(t, results.QueryRow().Scan(&one))
	require.Error(t, results.Close())
	require.NoError(t, conn.QueryRow(t.Context(), "select 4").Scan(&one), "the session stays")
	require.Equal(t, 4, one)
}
