package main

import (
	"fmt"
	"sync"
)

// verdict collects what is wrong. Its methods may be called from any goroutine.
type verdict struct {
	mu    sync.Mutex
	wrong []string
	more  int
}

// maxWrong is how many sentences are kept: the first ones say what happened.
const maxWrong = 20

func (v *verdict) wrongf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.wrong) == maxWrong {
		v.more++
		return
	}
	v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
}

func (v *verdict) all() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.more > 0 {
		return append(v.wrong[:len(v.wrong):len(v.wrong)], fmt.Sprintf("and %d more", v.more))
	}
	return v.wrong
}
