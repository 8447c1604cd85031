package pgwire

import "time"

// watch calls gone if the client closes its connection, until stop is called. It
// reads ahead into the buffer, so that a client that sent further messages before
// it vanished is noticed too, unless they fill the buffer.
//
// Concurrency: nothing else may read before stop has returned.
func (w *wire) watch(gone func()) (stop func()) {
	w.readUntil(time.Time{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := w.r.Buffered(); n < w.r.Size(); n = w.r.Buffered() {
			_, err := w.r.Peek(n + 1)
			if err == nil {
				continue
			}
			if !isTimeout(err) {
				gone()
			}
			return
		}
	}()
	return func() {
		_ = w.conn.SetReadDeadline(past)
		<-done
	}
}
