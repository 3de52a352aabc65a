package interceptor_test

import (
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// cutProxy forwards TCP connections until it is told to cut them.
type cutProxy struct {
	lis     net.Listener
	backend string
	life    func() life
	refuse  atomic.Int64 // so many connections are closed as soon as they are made
	cuts    atomic.Int64 // connections whose life was over

	mu    sync.Mutex
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// A life is how many bytes a connection forwards in each direction before it is cut,
// and whether peers are told by a reset rather than an end.
type life struct {
	up, down int64
	reset    bool
}

// startProxy starts a proxy that cuts only when it is told to.
func startProxy(t *testing.T, backend string) *cutProxy {
	t.Helper()
	return startMortalProxy(t, backend, nil)
}

// startMortalProxy starts a proxy that asks for the life of each connection.
func startMortalProxy(t *testing.T, backend string, life func() life) *cutProxy {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &cutProxy{lis: lis, backend: backend, life: life, conns: map[net.Conn]bool{}}
	p.wg.Add(1)
	go p.serve()
	t.Cleanup(func() {
		_ = lis.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *cutProxy) serve() {
	defer p.wg.Done()
	for {
		in, err := p.lis.Accept()
		if err != nil {
			return
		}
		if p.refuse.Add(-1) >= 0 {
			_ = in.Close()
			continue
		}
		out, err := net.Dial("tcp", p.backend)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns[in], p.conns[out] = true, true
		p.mu.Unlock()
		p.wg.Add(1)
		go p.forward(in, out)
	}
}

// forward copies in both directions until one of them ends.
func (p *cutProxy) forward(in, out net.Conn) {
	defer p.wg.Done()
	l := life{up: math.MaxInt64, down: math.MaxInt64}
	if p.life != nil {
		l = p.life()
	}
	ended := make(chan struct{}, 2)
	forward := func(dst, src net.Conn, limit int64) {
		defer p.wg.Done()
		if n, _ := io.CopyN(dst, src, limit); n == limit {
			p.cuts.Add(1)
		}
		ended <- struct{}{}
	}
	p.wg.Add(2)
	go forward(out, in, l.up)
	go forward(in, out, l.down)
	<-ended
	p.mu.Lock()
	delete(p.conns, in)
	delete(p.conns, out)
	p.mu.Unlock()
	for _, c := range []net.Conn{in, out} {
		if l.reset {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		_ = c.Close()
	}
}

// cut closes all connections.
func (p *cutProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}
