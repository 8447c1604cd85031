package pgwire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

// TestScripts plays the conversations of testdata/*.txt. A line that begins with
// "> " is what a client sends, "< " what it gets; "B> " and "B< " are another
// client's. Lines of the server are checked, or rewritten with -update. The verbs:
//
//	server max=1 spool=100 statement=1s idle=1s idletxn=1s startup=1s   options, second line only
//	connect user=a database=b version=3.2 …     start-up packet
//	ssl · gss · raw 00ff                        request for encryption, bytes
//	query TEXT
//	parse NAME OIDS TEXT                        "-" is no name, no OIDs
//	bind PORTAL NAME t:text b:00ff null / b t   parameters, then formats of results
//	describe S|P NAME · execute PORTAL [ROWS] · close S|P NAME · sync · flush · terminate
//	cancel A · cancel A wrong                   cancel what client A runs
//	sleep 10s · drain · hangup
//
// Time is that of package synctest: an answer has come when nothing moves any more.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, string(want)) })
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
				return
			}
			require.Equal(t, string(want), got)
		})
	}
}

// play runs a script and returns it with the server's actual lines.
func play(t *testing.T, script string) string {
	p := &player{t: t, clients: map[string]*client{}, fake: newFake()}
	opts := Options{Version: "test"}
	lines := strings.Split(script, "\n")
	if rest, ok := strings.CutPrefix(lines[min(1, len(lines)-1)], "server "); ok {
		opts = serverOptions(t, rest)
	}
	if strings.HasPrefix(script, "# Greetings in full") {
		p.greetings = 1
	}
	opts.Statements = p.fake
	p.srv = start(t, opts)
	for _, line := range lines {
		label, command, isClient := strings.Cut(line, "> ")
		isClient = isClient && len(label) <= 1
		if _, _, isServer := strings.Cut(line, "< "); isServer && strings.Index(line, "< ") <= 1 {
			continue
		}
		fmt.Fprintln(&p.out, line)
		if !isClient {
			continue
		}
		p.do(label, command)
		switch verb, _, _ := strings.Cut(command, " "); verb {
		case "parse", "bind", "describe", "execute", "close": // sent ahead of what follows
		default:
			p.collect()
		}
	}
	p.collect()
	for _, c := range p.clients {
		c.hangup()
	}
	p.srv.stop()
	require.Zero(t, p.fake.open.Load(), "Rows left open")
	require.Zero(t, p.fake.pins.Load(), "snapshots left pinned")
	p.fake.mem.AssertSize(t, 0)
	return strings.TrimSuffix(p.out.String(), "\n")
}

func serverOptions(t *testing.T, line string) Options {
	opts := Options{Version: "test"}
	for field := range strings.FieldsSeq(line) {
		name, value, _ := strings.Cut(field, "=")
		d, _ := time.ParseDuration(value)
		n, _ := strconv.Atoi(value)
		switch name {
		case "max":
			opts.MaxConnections = n
		case "spool":
			opts.SpoolBytes = int64(n)
		case "message":
			opts.MaxMessageBytes = n
		case "statement":
			opts.StatementTimeout = d
		case "idle":
			opts.IdleTimeout = d
		case "idletxn":
			opts.IdleInTransactionTimeout = d
		case "startup":
			opts.StartupTimeout = d
		case "drain":
			opts.DrainTimeout = d
		default:
			require.Fail(t, "no such option", name)
		}
	}
	return opts
}

type player struct {
	t       *testing.T
	srv     *running
	fake    *fake
	clients map[string]*client
	out     strings.Builder

	greetings int // to write out in full
}

// client is one connection. A goroutine reads what comes.
type client struct {
	conn  net.Conn
	key   pgproto3.BackendKeyData
	plain int // answers without a message's form to come: to ssl and gss
	done  chan struct{}

	mu   sync.Mutex
	in   bytes.Buffer
	gone bool
}

func (c *client) read() {
	defer close(c.done)
	buf := make([]byte, 4096)
	for {
		n, err := c.conn.Read(buf)
		c.mu.Lock()
		c.in.Write(buf[:n])
		c.gone = err != nil
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *client) hangup() {
	_ = c.conn.Close()
	<-c.done
}

func (p *player) client(label string) *client {
	c := p.clients[label]
	if c == nil {
		conn, err := p.srv.ln.dial()
		require.NoError(p.t, err)
		c = &client{conn: conn, done: make(chan struct{})}
		go c.read()
		p.clients[label] = c
	}
	return c
}

// do obeys one line.
func (p *player) do(label, command string) {
	verb, rest, _ := strings.Cut(command, " ")
	switch verb {
	case "sleep":
		d, err := time.ParseDuration(rest)
		require.NoError(p.t, err)
		time.Sleep(d) //nolint:forbidigo // of synctest
	case "drain":
		go p.srv.stop()
	case "hangup":
		p.client(label).hangup()
		delete(p.clients, label)
	case "ssl":
		p.client(label).plain++
		p.send(label, []byte{0, 0, 0, 8, 4, 210, 22, 47})
	case "gss":
		p.client(label).plain++
		p.send(label, []byte{0, 0, 0, 8, 4, 210, 22, 48})
	case "raw":
		data, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		require.NoError(p.t, err)
		p.send(label, data)
	case "connect":
		p.send(label, startupPacket(rest))
	case "cancel":
		p.cancel(rest)
	default:
		data, err := message(p.t, verb, rest).Encode(nil)
		require.NoError(p.t, err)
		p.send(label, data)
	}
}

func (p *player) send(label string, data []byte) {
	_, err := p.client(label).conn.Write(data)
	if err != nil {
		fmt.Fprintf(&p.out, "# %v\n", err)
	}
}

func (p *player) cancel(rest string) {
	label, how, _ := strings.Cut(rest, " ")
	if label == "A" {
		label = ""
	}
	key := p.clients[label].key
	req := pgproto3.CancelRequest{ProcessID: key.ProcessID, SecretKey: slices.Clone(key.SecretKey)}
	if how == "wrong" {
		req.SecretKey[0]++
	}
	data, err := req.Encode(nil)
	require.NoError(p.t, err)
	conn, err := p.srv.ln.dial()
	require.NoError(p.t, err)
	_, err = conn.Write(data)
	require.NoError(p.t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(p.t, err)
	require.Empty(p.t, answer)
	require.NoError(p.t, conn.Close())
}

// startupPacket is name=value …; a value may be quoted.
func startupPacket(rest string) []byte {
	version := uint32(196608)
	var body []byte
	for _, f := range fields(rest) {
		name, value, _ := strings.Cut(f, "=")
		if name == "version" {
			major, minor, _ := strings.Cut(value, ".")
			version = uint32(atoi(major)<<16 | atoi(minor))
			continue
		}
		body = append(append(append(append(body, name...), 0), value...), 0)
	}
	body = append(body, 0)
	packet := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(packet, version), body...)
}

// fields splits at spaces outside of double quotes, which are dropped.
func fields(s string) []string {
	var out []string
	var b strings.Builder
	quoted, within := false, false
	for _, r := range s + " " {
		switch {
		case r == '"':
			quoted, within = !quoted, true
		case r == ' ' && !quoted:
			if within {
				out = append(out, b.String())
			}
			b.Reset()
			within = false
		default:
			within = true
			b.WriteRune(r)
		}
	}
	return out
}

func message(t *testing.T, verb, rest string) pgproto3.FrontendMessage {
	f := fields(rest)
	name := func(i int) string {
		if i >= len(f) || f[i] == "-" {
			return ""
		}
		return f[i]
	}
	switch verb {
	case "query":
		return &pgproto3.Query{String: strings.ReplaceAll(rest, `\n`, "\n")}
	case "parse":
		m := &pgproto3.Parse{Name: name(0)}
		for oid := range strings.SplitSeq(name(1), ",") {
			if oid != "" {
				m.ParameterOIDs = append(m.ParameterOIDs, uint32(atoi(oid)))
			}
		}
		parts := strings.SplitN(rest, " ", 3)
		if len(parts) == 3 {
			m.Query = parts[2]
		}
		return m
	case "bind":
		return bindMessage(t, name(0), name(1), f[2:])
	case "describe":
		return &pgproto3.Describe{ObjectType: f[0][0], Name: name(1)}
	case "execute":
		return &pgproto3.Execute{Portal: name(0), MaxRows: uint32(atoi(name(1)))}
	case "close":
		return &pgproto3.Close{ObjectType: f[0][0], Name: name(1)}
	case "sync":
		return &pgproto3.Sync{}
	case "flush":
		return &pgproto3.Flush{}
	case "terminate":
		return &pgproto3.Terminate{}
	}
	require.Fail(t, "no such verb", verb)
	return nil
}

func bindMessage(t *testing.T, portal, stmt string, f []string) *pgproto3.Bind {
	m := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: stmt}
	results := false
	for _, v := range f {
		kind, value, _ := strings.Cut(v, ":")
		format := map[string]int16{"t": 0, "b": 1, "x": 7}[kind]
		switch {
		case v == "/":
			results = true
		case results:
			m.ResultFormatCodes = append(m.ResultFormatCodes, format)
		case kind == "null":
			m.Parameters = append(m.Parameters, nil)
			m.ParameterFormatCodes = append(m.ParameterFormatCodes, 0)
		default:
			data := []byte(value)
			if kind == "b" {
				var err error
				data, err = hex.DecodeString(value)
				require.NoError(t, err)
			}
			m.Parameters = append(m.Parameters, data)
			m.ParameterFormatCodes = append(m.ParameterFormatCodes, format)
		}
	}
	return m
}

// collect waits until nothing moves and writes down what every client got.
func (p *player) collect() {
	synctest.Wait()
	labels := []string{}
	for l := range p.clients {
		labels = append(labels, l)
	}
	slices.Sort(labels)
	for _, l := range labels {
		c := p.clients[l]
		c.mu.Lock()
		data, gone := bytes.Clone(c.in.Bytes()), c.gone
		c.in.Reset()
		c.mu.Unlock()
		for _, line := range p.describe(c, data) {
			fmt.Fprintf(&p.out, "%s< %s\n", l, line)
		}
		if gone {
			fmt.Fprintf(&p.out, "%s< closed\n", l)
			c.hangup()
			delete(p.clients, l)
		}
	}
}

func (p *player) describe(c *client, data []byte) (lines []string) {
	for ; c.plain > 0 && len(data) > 0; c.plain-- {
		lines = append(lines, fmt.Sprintf("byte %q", data[0]))
		data = data[1:]
	}
	front := pgproto3.NewFrontend(bytes.NewReader(data), io.Discard)
	for {
		msg, err := front.Receive()
		if err != nil {
			return lines
		}
		if k, ok := msg.(*pgproto3.BackendKeyData); ok {
			if lines = p.brief(lines); p.greetings > 0 {
				p.greetings--
			}
			c.key = pgproto3.BackendKeyData{ProcessID: k.ProcessID, SecretKey: slices.Clone(k.SecretKey)}
		}
		lines = append(lines, line(msg))
	}
}

// brief counts the parameters of a greeting, which are written out only once.
func (p *player) brief(lines []string) []string {
	if p.greetings > 0 {
		return lines
	}
	n := len(lines)
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "ParameterStatus") })
	return append(lines, fmt.Sprintf("ParameterStatus, %d of them", n-len(lines)))
}

// line writes a message in one line.
func line(msg pgproto3.BackendMessage) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", msg), "*pgproto3.")
	switch m := msg.(type) {
	case *pgproto3.ParameterStatus:
		return fmt.Sprintf("%s %s=%s", name, m.Name, m.Value)
	case *pgproto3.BackendKeyData:
		return fmt.Sprintf("%s pid %d, %d secret bytes", name, m.ProcessID, len(m.SecretKey))
	case *pgproto3.ReadyForQuery:
		return fmt.Sprintf("%s %c", name, m.TxStatus)
	case *pgproto3.CommandComplete:
		return fmt.Sprintf("%s %s", name, m.CommandTag)
	case *pgproto3.RowDescription:
		for _, f := range m.Fields {
			name += fmt.Sprintf(" %s:%d", f.Name, f.DataTypeOID)
			if f.TypeModifier != -1 {
				name += fmt.Sprintf("(%d)", f.TypeModifier)
			}
			if f.Format == 1 {
				name += ":binary"
			}
		}
		return name
	case *pgproto3.ParameterDescription:
		return fmt.Sprintf("%s %v", name, m.ParameterOIDs)
	case *pgproto3.DataRow:
		for _, v := range m.Values {
			if v == nil {
				name += " NULL"
			} else {
				name += " " + strconv.Quote(string(v))
			}
		}
		return name
	case *pgproto3.CopyData:
		return fmt.Sprintf("%s %q", name, m.Data)
	case *pgproto3.CopyOutResponse:
		return fmt.Sprintf("%s %d %v", name, m.OverallFormat, m.ColumnFormatCodes)
	case *pgproto3.ErrorResponse:
		return name + showError(m)
	case *pgproto3.NoticeResponse:
		return name + showError((*pgproto3.ErrorResponse)(m))
	case *pgproto3.NegotiateProtocolVersion:
		return fmt.Sprintf("%s %d.%d %v", name, m.NewestMinorProtocol>>16, m.NewestMinorProtocol&0xffff, m.UnrecognizedOptions)
	}
	return name
}

func showError(m *pgproto3.ErrorResponse) string {
	s := fmt.Sprintf(" %s %s %q", m.Severity, m.Code, m.Message)
	if m.Position != 0 {
		s += fmt.Sprintf(" position %d", m.Position)
	}
	if m.Detail != "" {
		s += fmt.Sprintf(" detail %q", m.Detail)
	}
	if m.Hint != "" {
		s += fmt.Sprintf(" hint %q", m.Hint)
	}
	return s
}
