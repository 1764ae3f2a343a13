package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
)

// world is what outlives a worker: metadata, modules, subscriptions. Every change of it is a step, and step may end the worker's life there.
type world struct {
	t    *testing.T
	meta *memory.Store

	mu            sync.Mutex
	copies        map[string]functions.Artifact
	subscriptions map[string]bool // topic and subscription
	ledgers       int64

	unsubscribe func() error // asked before a subscription goes
	stored      func()       // called when a module was stored
	putting     func(key string)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, meta: memory.New(), copies: map[string]functions.Artifact{}, subscriptions: map[string]bool{}}
	t.Cleanup(func() { _ = w.meta.Close() })
	return w
}

// life is one run of a worker in a world.
type life struct {
	*world
	*Worker
	launcher *fakeLauncher

	mu    sync.Mutex
	steps int
	crash int  // dies at this step, counted from 1; 0: lives
	late  bool // the step has its effect, and only the answer is missing
}

var errDead = errors.New("the process is dead")

// step is asked around every change: before it, and after it. Once dead nothing has an effect any more.
func (l *life) step(do func() error) error {
	l.mu.Lock()
	l.steps++
	dies, dead := l.steps == l.crash, l.crash > 0 && l.steps > l.crash
	l.mu.Unlock()
	if dead || dies && !l.late {
		return errDead
	}
	err := do()
	if dies {
		return errDead
	}
	return err
}

func (l *life) dead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.crash > 0 && l.steps >= l.crash
}

// dying is the metadata of one life.
type dying struct {
	meta.Store
	l *life
}

func (d dying) Put(ctx context.Context, key string, data []byte, expect meta.Version) (v meta.Version, err error) {
	if d.l.putting != nil {
		d.l.putting(key)
	}
	return v, d.l.step(func() error { v, err = d.Store.Put(ctx, key, data, expect); return err })
}

func (d dying) Delete(ctx context.Context, key string, expect meta.Version) error {
	return d.l.step(func() error { return d.Store.Delete(ctx, key, expect) })
}

// kept are the modules of a world, as a life sees them.
type kept struct{ l *life }

func (k kept) Put(_ context.Context, data []byte) (a functions.Artifact, err error) {
	w := k.l.world
	err = k.l.step(func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		content := contentOf(data)
		if a = w.copies[content]; a.SHA256 == "" {
			w.ledgers++
			a = functions.Artifact{SHA256: content, Size: int64(len(data)), Ledger: w.ledgers}
			w.copies[content] = a
		}
		return nil
	})
	if err == nil && w.stored != nil {
		w.stored()
	}
	return a, err
}

func (k kept) Fetch(_ context.Context, a functions.Artifact) (string, error) {
	k.l.world.mu.Lock()
	defer k.l.world.mu.Unlock()
	if have := k.l.world.copies[a.SHA256]; have != a {
		return "", fmt.Errorf("module %v is gone; there is %v", a, have)
	}
	return a.SHA256, nil
}

func (k kept) Delete(_ context.Context, a functions.Artifact) error {
	return k.l.step(func() error {
		k.l.world.mu.Lock()
		defer k.l.world.mu.Unlock()
		delete(k.l.world.copies, a.SHA256)
		return nil
	})
}

func (k kept) List(context.Context) (out []functions.Artifact, err error) {
	k.l.world.mu.Lock()
	defer k.l.world.mu.Unlock()
	for _, a := range k.l.world.copies {
		out = append(out, a)
	}
	return out, nil
}

// live starts a worker.
func (w *world) live(crash int, late bool) *life {
	w.t.Helper()
	l := &life{world: w, launcher: newFakeLauncher(), crash: crash, late: late}
	l.Worker = New(Options{Meta: dying{w.meta, l}, Launcher: l.launcher, Artifacts: kept{l}, MaxUpload: 1 << 20, Defaults: Defaults{1 << 20, time.Second, 5},
		Validate: func(context.Context, []byte, int64) error { return nil },
		CheckTopic: func(full string) error {
			n, err := topicname.Parse(full)
			if err != nil {
				return err
			}
			return n.CheckNew()
		},
		Unsubscribe: func(_ context.Context, topic, subscription string) error {
			return l.step(func() error {
				if w.unsubscribe != nil {
					if err := w.unsubscribe(); err != nil {
						return err
					}
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				delete(w.subscriptions, topic+" "+subscription)
				return nil
			})
		}})
	must(w.t, l.Start())
	return l
}

// end closes a worker in order, or as far as a dead one can be.
func (l *life) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = l.Worker.Close(ctx)
}

// call sends a request; config and module make it an upload.
func (l *life) call(method, path, config string, module []byte) (int, string) {
	var body bytes.Buffer
	r := httptest.NewRequest(method, "/admin/v3/"+path, &body)
	if config != "" {
		part := "functionConfig"
		if strings.HasPrefix(path, "sources") {
			part = "sourceConfig"
		}
		m := multipart.NewWriter(&body)
		_ = m.WriteField(part, config)
		if module != nil {
			f, _ := m.CreateFormFile("data", "module.wasm")
			_, _ = f.Write(module)
		}
		_ = m.Close()
		r.Header.Set("Content-Type", m.FormDataContentType())
		r.Body = http.NoBody
		r = r.Clone(context.Background())
		r.Body = readCloser{&body}
	}
	rec := httptest.NewRecorder()
	l.Handler().ServeHTTP(rec, r)
	return rec.Code, strings.TrimSpace(rec.Body.String())
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// create makes a function that reads topic "in".
func (l *life) createFunction(name string, module string) (int, string) {
	return l.call("POST", "functions/t/n/"+name, `{"inputs":["in"]}`, []byte(module))
}

// answer is the form of an error.
type answer struct{ Code, Reason, Fix string }

func errorOf(t *testing.T, text string) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatalf("%q is no error: %v", text, err)
	}
	return a
}

func inFakeTime(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}
