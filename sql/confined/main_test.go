package confined

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is the worker's main function, too: the tests' processes are this program.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == workerArgument {
		os.Exit(Exit())
	}
	if len(os.Args) == 4 && os.Args[1] == breachArgument {
		os.Exit(breach(os.Args[2], os.Args[3]))
	}
	goleak.VerifyTestMain(m)
}

const (
	workerArgument = "worker"
	breachArgument = "breach"
)
