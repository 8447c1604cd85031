// Package confined runs instances of DuckDB in processes of their own, which can do
// nothing but answer: SQL is code, and DuckDB says itself that it is no sandbox.
//
// # Parts
//
//   - frame.go, message.go: what the two ends say to each other
//   - serve.go: the process: it confines itself, opens an instance, and answers
//   - confine_linux.go, seccomp_linux.go: what it gives up before it opens one
//   - starter.go, process.go: the parent's end: starts processes, and is the
//     instance that lives in one; watch.go ends those that take too much
//
// # Guarantees
//
// A process serves one instance, opened once, for one tenant. Before it sees any
// statement it has an empty environment, no privileges and no way to more, no
// network, no other process to see or signal, no way to start one, and no file but
// those that it was opened for, its own temporary folder among them (Landlock and
// seccomp, where the kernel has them: [Report] says). It is ended by SIGKILL when it
// has more memory than it may, when a call does not end within [interruptPatience] of
// its context, and when its parent is gone. Whatever happens to it, its parent gets an
// error that says what.
//
// # Not its job
//
// What a statement may do is for package statement; which files an instance is opened
// for is for package worker.
package confined
