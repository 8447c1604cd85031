package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/grafana/pyroscope-go"
)

// selfService is the service under which the server's own profiles are stored.
const selfService = "stackhouse"

const (
	// selfUploadRate is short, so that a newcomer sees a first profile within
	// seconds of the start.
	selfUploadRate = 10 * time.Second

	// One of selfMutexFraction contended locks is recorded, and blocking is
	// sampled so that selfBlockRate of it yields one event: cheap enough to be on
	// all the time.
	selfMutexFraction = 100
	selfBlockRate     = 100 * time.Microsecond
)

var selfProfileTypes = []pyroscope.ProfileType{
	pyroscope.ProfileCPU,
	pyroscope.ProfileAllocObjects, pyroscope.ProfileAllocSpace,
	pyroscope.ProfileInuseObjects, pyroscope.ProfileInuseSpace,
	pyroscope.ProfileGoroutines,
	pyroscope.ProfileMutexCount, pyroscope.ProfileMutexDuration,
	pyroscope.ProfileBlockCount, pyroscope.ProfileBlockDuration,
}

// selfProfiling begins to send the process's own profiles to its own address, and
// returns the stage that ends it, or none if it is switched off. It uses the
// client that everybody uses, over HTTP as everybody does.
//
// Nothing needs to listen there yet: the first profile is that of the start, and
// is sent selfUploadRate later.
func selfProfiling(cfg *config, addr string, log *slog.Logger) ([]stage, error) {
	if !cfg.SelfProfiling {
		return nil, nil
	}
	runtime.SetMutexProfileFraction(selfMutexFraction)
	runtime.SetBlockProfileRate(int(selfBlockRate))
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	p, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: selfService,
		Tags:            map[string]string{"host": host, "version": buildVersion()},
		ServerAddress:   "http://" + reachable(addr),
		UploadRate:      selfUploadRate,
		Logger:          selfLog{log.With("component", "self-profiling")},
		ProfileTypes:    selfProfileTypes,
	})
	if err != nil {
		return nil, fmt.Errorf("start self-profiling: %w", err)
	}
	stop := func() error {
		runtime.SetMutexProfileFraction(0)
		runtime.SetBlockProfileRate(0)
		return p.Stop()
	}
	return []stage{{name: "self-profiling", run: untilDone(stop), stop: stopSelf}}, nil
}

// selfLog passes what the profiler says on: its progress is of no interest.
type selfLog struct{ log *slog.Logger }

func (l selfLog) Infof(format string, args ...any) {
	l.log.Debug("self-profiling", "what", fmt.Sprintf(format, args...))
}

func (l selfLog) Debugf(format string, args ...any) {
	l.log.Debug("self-profiling", "what", fmt.Sprintf(format, args...))
}

func (l selfLog) Errorf(format string, args ...any) {
	l.log.Warn("self-profiling", "err", fmt.Sprintf(format, args...))
}
