package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// serverFlags say which server a client command asks, and for whom.
type serverFlags struct {
	Addr   string `name:"addr" option:"" default:"http://127.0.0.1:4040" placeholder:"URL" help:"The server's HTTP address (default ${default})."`
	Tenant string `name:"tenant" option:"" placeholder:"NAME" help:"The tenant (default: anonymous)."`
}

// requestTimeout is how long a server may take for an answer.
const requestTimeout = 5 * time.Minute

// call sends a request with a JSON body, nil for none, and reads the JSON answer. An
// error is what the server says.
func (f *serverFlags) call(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var sent io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(data)
	}
	url := f.Addr
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(url, "/")+path, sent)
	if err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if f.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", f.Tenant)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server refuses: %s", refusal(res.Status, data))
	}
	return json.Unmarshal(data, answer)
}

// refusal is what an answer says is wrong.
func refusal(status string, data []byte) string {
	var said struct{ Message string }
	if json.Unmarshal(data, &said) == nil && said.Message != "" {
		return said.Message
	}
	return status
}
