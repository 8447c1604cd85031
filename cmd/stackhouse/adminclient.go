package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// serverFlag says which server a command talks to.
type serverFlag struct {
	Addr string `name:"addr" option:"" default:"http://127.0.0.1:4040" placeholder:"URL" help:"The server (default ${default})."`
}

// maxErrorBytes is how much of an error's body is read.
const maxErrorBytes = 64 << 10

// ask sends a request to the server and returns the answer, whose status is 200. The
// caller closes its body. A nil body is a GET, others are sent as JSON.
func (s serverFlag) ask(ctx context.Context, path string, body any) (*http.Response, error) {
	base := s.Addr
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	method, content := http.MethodGet, io.Reader(nil)
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		method, content = http.MethodPost, bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base, "/")+path, content)
	if err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, refusalOf(res)
	}
	return res, nil
}

// refusalOf returns what a server says that does not answer.
func refusalOf(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBytes))
	var refusal struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &refusal) != nil || refusal.Message == "" {
		refusal.Message = strings.TrimSpace(string(text))
	}
	return fmt.Errorf("the server answers %s: %s", res.Status, refusal.Message)
}
