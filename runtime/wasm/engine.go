package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/wasm/fuel"
)

// EngineOptions configure an Engine.
type EngineOptions struct {
	// CacheDir is where compiled modules are kept, in a directory for each module's content; empty: they are compiled in each process. It holds
	// machine code that will be run, so nobody else may write to it.
	CacheDir string
}

// Engine compiles modules, and shares what is compiled among the Processors of a process. Safe for concurrent use.
type Engine struct {
	options EngineOptions

	mu     sync.Mutex
	caches map[string]*sharedCache // by content hash
}

// sharedCache is the compilation cache of one module content.
type sharedCache struct {
	wazero.CompilationCache
	users    int
	compile  sync.Mutex // one compiles, the others find it done
	unsealed string     // directory that is not sealed yet; empty: there is none
}

// NewEngine makes an Engine.
func NewEngine(o EngineOptions) *Engine {
	return &Engine{options: o, caches: map[string]*sharedCache{}}
}

// Hash is the content hash of a module, as in functions.Artifact.
func Hash(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

// program is one compiled module in a runtime of its own: the host functions it sees act on one host.
type program struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	release  func()
	slow     bool // see guard
}

// compile compiles a module that looks like one. A cache on disk that was damaged is thrown away and made anew.
func (e *Engine) compile(ctx context.Context, module []byte) (*program, error) {
	hash := Hash(module)
	module, err := fuel.Inject(module)
	switch {
	case errors.Is(err, fuel.ErrTables):
		return nil, fault.FunctionMemoryMinimum.New("%w", err)
	case errors.Is(err, fuel.ErrImport):
		return nil, fault.FunctionImports.New("%w", err)
	case err != nil:
		return nil, fault.FunctionDamaged.New("%w", err)
	}
	cache := e.acquire(hash)
	p, err := e.compileWith(ctx, cache, module)
	if err == nil {
		p.release = func() { e.release(hash, cache) }
		return p, nil
	}
	if e.options.CacheDir != "" && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		// A full disk looks like damage in the module; only compiling without the cache can tell.
		_ = os.RemoveAll(e.dir(hash))
		fresh := &sharedCache{CompilationCache: wazero.NewCompilationCache()}
		if p, err = e.compileWith(ctx, fresh, module); err == nil {
			e.release(hash, cache)
			p.release = func() { _ = fresh.Close(context.Background()) }
			return p, nil
		}
		_ = fresh.Close(ctx)
	}
	e.release(hash, cache)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fault.FunctionCompileTime.New("after %v", compileTime)
	}
	return nil, fault.FunctionDamaged.New("%w", err)
}

// workers is how many goroutines compile: the runtime looks whether it should stop only when there is more than one.
const workers = 2

func (e *Engine) compileWith(ctx context.Context, cache *sharedCache, module []byte) (*program, error) {
	config := wazero.NewRuntimeConfig().WithCompilationCache(cache.CompilationCache).WithDebugInfoEnabled(false)
	p := &program{runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	cache.compile.Lock()
	defer cache.compile.Unlock()
	limited, cancel := context.WithTimeout(experimental.WithCompilationWorkers(ctx, workers), compileTime)
	defer cancel()
	var err error
	if p.compiled, err = p.runtime.CompileModule(limited, module); err != nil {
		_ = p.runtime.Close(ctx)
		return nil, err
	}
	if cache.unsealed != "" {
		_ = seal(cache.unsealed) // else the next process compiles it again
		cache.unsealed = ""
	}
	// Compiling leaves garbage of many times the module's size in a process that is otherwise small, and does not happen often.
	debug.FreeOSMemory()
	return p, nil
}

func (e *Engine) dir(hash string) string { return filepath.Join(e.options.CacheDir, hash) }

func (e *Engine) acquire(hash string) *sharedCache {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.caches[hash]; c != nil {
		c.users++
		return c
	}
	c := &sharedCache{users: 1}
	if e.options.CacheDir != "" {
		c.open(e.dir(hash))
	}
	if c.CompilationCache == nil {
		c.CompilationCache = wazero.NewCompilationCache()
	}
	e.caches[hash] = c
	return c
}

// open uses the cache in a directory, emptied unless it is sealed. Where that is not possible there is none: a full disk keeps no function from
// running.
func (c *sharedCache) open(dir string) {
	if !sealed(dir) {
		c.unsealed = dir
		if os.RemoveAll(dir) != nil {
			return
		}
	}
	if os.MkdirAll(filepath.Dir(dir), 0o700) != nil {
		return
	}
	if disk, err := wazero.NewCompilationCacheWithDir(dir); err == nil {
		c.CompilationCache = disk
	}
}

func (e *Engine) release(hash string, c *sharedCache) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.users--; c.users == 0 {
		delete(e.caches, hash)
		_ = c.Close(context.Background())
	}
}

// close frees the program and all its guests.
func (p *program) close() {
	_ = p.runtime.Close(context.Background())
	p.release()
}
