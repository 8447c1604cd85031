package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/api"
	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/scrub"
)

type scrubCmd struct {
	serverFlag
	Now     bool   `name:"now" option:"" help:"Have a running server read everything now."`
	DataDir string `name:"data-dir" option:"" placeholder:"DIR" help:"Read the data directory of a stopped server."`
}

// scrub verifies everything that is stored, by a server or instead of one.
func (p program) scrub(ctx context.Context, c *scrubCmd) int {
	if c.Now == (c.DataDir != "") {
		return p.fail(exitUsage, errors.New("scrub: say --now for a running server, or --data-dir DIR for a stopped one"))
	}
	out := &scrubPrinter{program: p, now: time.Now}
	var err error
	if c.Now {
		err = out.ask(ctx, c.serverFlag)
	} else {
		err = out.readDir(ctx, c.DataDir)
	}
	switch {
	case err != nil:
		return p.fail(exitError, err)
	case !out.isClean:
		return exitError
	}
	return exitOK
}

// scrubPrinter prints how a scrub goes on: damage to standard output, the rest to
// standard error.
type scrubPrinter struct {
	program
	now     func() time.Time
	last    time.Time // when progress was printed
	isClean bool
	ended   bool
}

// print prints an event.
func (s *scrubPrinter) print(e *api.ScrubEvent) error {
	switch e.Event {
	case api.ScrubDamage:
		fmt.Fprintf(s.stdout, "damaged %s\n", oneLine(e.Damage().Error()))
	case api.ScrubProgress:
		now := s.now()
		if s.last.IsZero() {
			s.last = now
		}
		if now.Sub(s.last) >= progressEvery {
			s.last = now
			fmt.Fprintf(s.stderr, "stackhouse: verified %d of %s, %s of %s; %d damaged\n", e.Objects, plural(e.OfObjects, "object"),
				bytesText(e.Bytes), bytesText(e.OfBytes), e.Damaged)
		}
	case api.ScrubSummary:
		s.summary(e)
	case api.ScrubError:
		return errors.New(e.Error)
	}
	return nil
}

func (s *scrubPrinter) summary(e *api.ScrubEvent) {
	s.ended, s.isClean = true, e.Damaged == 0 && e.Unread == 0
	speed := ""
	if e.Seconds > 0 {
		speed = fmt.Sprintf(" (%s/s)", bytesText(int64(float64(e.Bytes)/e.Seconds)))
	}
	took := time.Duration(e.Seconds * float64(time.Second)).Round(time.Millisecond)
	fmt.Fprintf(s.stderr, "stackhouse: verified %s, %s, in %s%s; %d damaged, %d unreadable, %d merged or deleted meanwhile\n",
		plural(e.Objects, "object"), bytesText(e.Bytes), took, speed, e.Damaged, e.Unread, e.Gone)
	if e.Error != "" {
		fmt.Fprintf(s.stderr, "stackhouse: the first that could not be read: %s\n", oneLine(e.Error))
	}
}

// ask has a server do it.
func (s *scrubPrinter) ask(ctx context.Context, server serverFlag) error {
	res, err := server.ask(ctx, "/api/v1/admin/scrub", struct{}{})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for d := json.NewDecoder(res.Body); ; {
		var e api.ScrubEvent
		err := d.Decode(&e)
		switch {
		case errors.Is(err, io.EOF) && s.ended:
			return nil
		case err != nil:
			return fmt.Errorf("the server's answer ends early: %w", err)
		}
		if err := s.print(&e); err != nil {
			return err
		}
	}
}

// readDir does it over the data directory of a stopped server, and leaves there what
// it has verified and found.
func (s *scrubPrinter) readDir(ctx context.Context, path string) error {
	if _, err := os.Stat(filepath.Join(path, formatFile)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data directory %s: there is none of Stackhouse's", path)
	}
	dir, err := openDataDir(path)
	if err != nil {
		return fmt.Errorf("%w; a running server is asked with --now", err)
	}
	defer dir.close()
	log := newLogger(s.stderr, slog.LevelError, "text")
	bucket, err := object.NewFilesystem(dir.file(bucketDir))
	if err != nil {
		return err
	}
	snap, err := metastore.ReadOffline(metastore.Options{Dir: dir.file(metastoreDir), Logger: log})
	if err != nil {
		return err
	}
	h := &health{log: log, register: scrub.OpenRegister(scrub.RegisterOptions{Path: dir.file(scrubFile), Logger: log})}
	h.scrubber, err = scrub.New(scrub.Options{Index: fixedIndex{snap}, Bucket: bucket, Register: h.register, Logger: log})
	if err != nil {
		return err
	}
	return h.scrubAll(ctx, func(e api.ScrubEvent) error { return s.print(&e) })
}

// fixedIndex is an index that nobody changes.
type fixedIndex struct{ snap *metastore.Snapshot }

// Snapshot implements scrub.Index.
func (i fixedIndex) Snapshot(context.Context) (scrub.Snapshot, error) { return i.snap, nil }

// oneLine returns text without line breaks.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }
