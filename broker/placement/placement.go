// Package placement says which broker serves a topic. Namespaces are divided into bundles by hash; a broker owns a bundle by an
// ephemeral node that it makes when the bundle is first asked for, and gives it up by deleting the node. Keys and values are those
// of Apache's classic load managers (interop §8.4, §8.5).
//
// With one broker every bundle becomes its own; bundles that another broker owns are answered with its addresses.
package placement

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// Owner is where a topic is served.
type Owner struct {
	BrokerURL    string // pulsar://host:port
	BrokerURLTLS string // pulsar+ssl://host:port; empty: none
	HTTPURL      string
	HTTPURLTLS   string
	Local        bool // this broker
}

// Placement is this broker's registration and its bundles. Open makes it; it is safe for concurrent use.
type Placement struct {
	o       Options
	stop    context.CancelFunc
	wait    sync.WaitGroup
	leading chan struct{} // something happened to the leader's node

	mu      sync.Mutex
	session meta.Session // nil while it is lost
	bundles map[Bundle]*owned
	closed  bool
}

// owned is a bundle of this broker's, or one that it tries to get or gives up.
type owned struct {
	settled chan struct{} // closed when acquiring or releasing is over
	version meta.Version  // of the node, once owned
	mine    bool
}

// Open opens a session and registers this broker. BrokerRegistered when another one has its address.
func Open(ctx context.Context, o Options) (*Placement, error) {
	p := &Placement{o: o.withDefaults(), leading: make(chan struct{}, 1), bundles: map[Bundle]*owned{}}
	session, err := p.register(ctx)
	if err != nil {
		return nil, err
	}
	p.session = session
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	if err := p.watchLeader(background); err != nil {
		stop()
		return nil, errors.Join(err, session.Close())
	}
	p.stop = stop
	p.wait.Go(func() { p.keep(background, session) })
	return p, nil
}

// ID names this broker: host:port of its web service.
func (p *Placement) ID() string { return p.o.ID }

// Bundle is the bundle that the topic belongs to. NamespaceNotFound when its namespace does not exist.
func (p *Placement) Bundle(ctx context.Context, n topicname.Name) (Bundle, error) {
	boundaries, err := p.o.Boundaries(ctx, n.FullNamespace())
	if err != nil {
		return Bundle{}, err
	}
	return bundleOf(n.FullNamespace(), boundaries, Hash(n)), nil
}

// NamespaceBundles are the bundles of "tenant/namespace".
func (p *Placement) NamespaceBundles(ctx context.Context, namespace string) ([]Bundle, error) {
	boundaries, err := p.o.Boundaries(ctx, namespace)
	if err != nil {
		return nil, err
	}
	bundles := make([]Bundle, len(boundaries)-1)
	for i := range bundles {
		bundles[i] = Bundle{namespace, boundaries[i], boundaries[i+1]}
	}
	return bundles, nil
}

// ParseBundle finds the bundle of "tenant/namespace" with this range (0xLOWER_0xUPPER). BundleUnknown when there is none.
func (p *Placement) ParseBundle(ctx context.Context, namespace, text string) (Bundle, error) {
	b, err := parseRange(namespace, text)
	if err != nil {
		return Bundle{}, err
	}
	all, err := p.NamespaceBundles(ctx, namespace)
	if err == nil && !slices.Contains(all, b) {
		err = fault.BundleUnknown.New("%s", b)
	}
	return b, err
}

// Lookup says where the topic is served, and makes it this broker when it is nobody. listener is the name of the advertised listener that
// the client wants, or empty. A bundle that this broker is giving up is waited for.
func (p *Placement) Lookup(ctx context.Context, n topicname.Name, listener string) (Owner, error) {
	b, err := p.Bundle(ctx, n)
	if err != nil {
		return Owner{}, err
	}
	for {
		err := p.acquire(ctx, b)
		if err == nil {
			return p.o.owner(listener)
		}
		if !errors.Is(err, meta.ErrConflict) {
			return Owner{}, err
		}
		o, err := p.other(ctx, b, listener)
		if !errors.Is(err, meta.ErrNotFound) { // else it went meanwhile: this broker may have it
			return o, err
		}
	}
}

// BundleOwner says which broker has the bundle, without taking it; false when none has.
func (p *Placement) BundleOwner(ctx context.Context, b Bundle) (Owner, bool, error) {
	p.mu.Lock()
	x := p.bundles[b]
	mine := x != nil && x.mine
	p.mu.Unlock()
	if mine {
		o, err := p.o.owner("")
		return o, true, err
	}
	o, err := p.other(ctx, b, "")
	if errors.Is(err, meta.ErrNotFound) {
		return o, false, nil
	}
	return o, err == nil, err
}

// Own makes sure that this broker serves the topic, before it is loaded. BundleElsewhere when another one does.
func (p *Placement) Own(ctx context.Context, n topicname.Name) error {
	owner, err := p.Lookup(ctx, n, "")
	if err == nil && !owner.Local {
		err = fault.BundleElsewhere.New("%s: %s", n, owner.BrokerURL)
	}
	return err
}

// owner is this broker.
func (o *Options) owner(listener string) (Owner, error) {
	l := Listener{o.Broker, o.BrokerTLS, o.HTTP, o.HTTPTLS}
	if listener != "" {
		var ok bool
		if l, ok = o.Listeners[listener]; !ok {
			return Owner{}, fault.ListenerUnknown.New("%.80q", listener)
		}
	}
	return Owner{l.Broker, l.BrokerTLS, l.HTTP, l.HTTPTLS, true}, nil
}

// other answers with what the bundle's node says; meta.ErrNotFound when there is none.
func (p *Placement) other(ctx context.Context, b Bundle, listener string) (Owner, error) {
	key := b.key()
	v, err := p.o.Meta.Get(ctx, key)
	if err != nil {
		return Owner{}, err
	}
	o, err := decodeOwnership(key, v.Data)
	if err != nil {
		return Owner{}, err
	}
	if o.Disabled {
		return Owner{}, fault.BundleUnloading.New("%s", b)
	}
	l := advertisedListener{o.Broker, o.BrokerTLS, o.HTTP, o.HTTPTLS}
	if listener != "" {
		var ok bool
		if l, ok = o.Listeners[listener]; !ok {
			return Owner{}, fault.ListenerUnknown.New("%.80q", listener)
		}
	}
	return Owner{l.Broker, l.BrokerTLS, l.HTTP, l.HTTPTLS, false}, nil
}

// Owned are the bundles of this broker, sorted.
func (p *Placement) Owned() []Bundle {
	p.mu.Lock()
	defer p.mu.Unlock()
	var bundles []Bundle
	for b, x := range p.bundles {
		if x.mine {
			bundles = append(bundles, b)
		}
	}
	slices.SortFunc(bundles, func(a, b Bundle) int { return strings.Compare(a.String(), b.String()) })
	return bundles
}

// Brokers are the brokers that are alive, by id.
func (p *Placement) Brokers(ctx context.Context) ([]string, error) {
	return p.o.Meta.List(ctx, brokersKey)
}

// Leader is the broker that decides for all: its id and its web address. Empty when there is none at the moment.
func (p *Placement) Leader(ctx context.Context) (id, http string, err error) {
	v, err := p.o.Meta.Get(ctx, leaderKey)
	if errors.Is(err, meta.ErrNotFound) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	var l leader
	err = decodeLeader(v.Data, &l)
	return l.ID, l.HTTP, err
}

// Close gives up every bundle and the registration. Topics must be closed before.
func (p *Placement) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.wait.Wait()
	if p.session == nil { // nobody sets it any more
		return nil
	}
	return p.session.Close()
}
