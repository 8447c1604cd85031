// Package api is the HTTP edge of Stackhouse: it takes profiles in and answers
// questions about them in the protocols that profilers, Grafana and browsers
// speak already.
//
// # Parts
//
//   - routes.go: the one table of everything that is served
//   - one file per endpoint, each decode → call → encode: push.go, ingest.go,
//     profiletypes.go, labelnames.go, labelvalues.go, series.go,
//     selectmergestacktraces.go, selectmergespanprofile.go,
//     selectmergeprofile.go, selectseries.go, diff.go, profilestats.go,
//     delete.go, retention.go, ready.go, buildinfo.go, debug.go, page.go
//   - selection.go, tenant.go, appname.go, attime.go, ingestform.go: how parts
//     of a request are read
//   - admin.go: what endpoints of administration share, which speak plain JSON
//   - rpc.go, code.go: the way from a method to Connect, gRPC,
//     gRPC-web and JSON, and from an error to a code
//   - exchange.go, body.go, metrics.go: what is done around every request
//   - server.go, options.go: the listener's life
//
// # Guarantees
//
//   - Every error has one kind, and every kind one Connect code and one HTTP
//     status (code.go); messages name the field, header or limit.
//   - A request holds a bounded amount of memory before it is admitted, and all
//     requests together as well; what is over answers 413 or 503.
//   - A panic in an endpoint answers 500 and is counted; the process goes on.
//   - Run returns after every request has ended or was cut at the deadline.
//
// It stores nothing and computes nothing: [Pusher] and [Querier] do. It does not
// authenticate: the tenant header is believed, so that whoever must not choose
// a tenant has to pass a proxy that sets it.
package api
