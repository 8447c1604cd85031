package api

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/gzip"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// rpcOptions are those of every method: fast compression, and a bound on each
// message.
func rpcOptions(maxBytes int64) []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithCompression("gzip", newDecompressor, newCompressor),
		connect.WithCompressMinBytes(128),
		connect.WithReadMaxBytes(int(maxBytes)),
	}
}

func newDecompressor() connect.Decompressor { return new(gzip.Reader) }

// rpc serves one method in every protocol that connect speaks.
func rpc[Req, Res any](s *Server, procedure string, call func(context.Context, warehouse.Tenant, *Req) (*Res, error)) http.Handler {
	opts := rpcOptions(s.limits.MaxPushBytes) // the route's own limit is applied to the body before
	return connect.NewUnaryHandler(procedure, func(ctx context.Context, req *connect.Request[Req]) (*connect.Response[Res], error) {
		x := exchangeOf(ctx)
		msg, err := answer(ctx, s, x, req, call)
		if err != nil {
			x.err = err
			setRetryAfter(x, err)
			return nil, connectError(err)
		}
		return connect.NewResponse(msg), nil
	}, opts...)
}

// answer calls the method for the tenant that the headers name. A panic becomes
// an error here, where it can still be told in the client's protocol.
func answer[Req, Res any](ctx context.Context, s *Server, x *exchange, req *connect.Request[Req],
	call func(context.Context, warehouse.Tenant, *Req) (*Res, error),
) (msg *Res, err error) {
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.countPanic(ctx, x, v)
			err = errPanic(x)
		}
	}()
	tenant, err := tenantOf(req.Header())
	if err != nil {
		return nil, err
	}
	x.tenant = tenant
	return call(ctx, tenant, req.Msg)
}
