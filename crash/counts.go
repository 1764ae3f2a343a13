package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// The phases that a kill may fall into. The names are those in the processes' logs.
const dedupSnapshot = "dedup snapshot"

// phase is one row of the table of phases.
type phase struct{ name, of, what string }

// phases are what processes say of themselves at level debug.
var phases = []phase{
	{"prepare", bookie, "the next segment is made, from a new file"},
	{"recycle", bookie, "the next segment is made, from a dead one that is renamed and overwritten"},
	{"roll", bookie, "a segment is full and not yet sealed"},
	{"seal", bookie, "its footer is written, and its rows go into the table"},
	{"table flush", bookie, "checkpoint of the ledger table"},
	{"survivors", bookie, "what lives in a nearly dead segment is appended again"},
	{"ensemble change", broker, "a ledger gets another bookie for one that failed"},
	{"rollover", broker, "a topic goes on in the next ledger"},
	{"recovery", broker, "a ledger of somebody who is gone is fenced and closed"},
	{"trim", broker, "consumed ledgers are deleted"},
	{"cursor", broker, "the position of a subscription is written"},
	{dedupSnapshot, broker, "the sequence ids of a topic's producers are written"},
	{"load", broker, "a topic is loaded"},
	{"host/position", host, "the position of a source is saved"},
}

// counts says how often what was killed, and in which phase.
type counts struct {
	mu    sync.Mutex
	kills map[string]int
	in    map[string]int // phase
	alive map[string]int // by kind: kills that fell into no phase
}

func newCounts() *counts {
	return &counts{kills: map[string]int{}, in: map[string]int{}, alive: map[string]int{}}
}

// killed counts one kill.
func (c *counts) killed(kind string, in []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kills[kind]++
	if len(in) == 0 {
		c.alive[kind]++
	}
	for _, p := range in {
		c.in[p]++
	}
}

// rarest is the phase of a kind into which the fewest kills have fallen, of those that any at says; empty: it has none.
func (c *counts) rarest(kind string, skip int) string {
	var own []string
	for _, p := range phases {
		if p.of == kind || kind == standalone && p.of != host && p.name != "ensemble change" && p.name != "recovery" {
			own = append(own, p.name)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortStableFunc(own, func(a, b string) int { return c.in[a] - c.in[b] })
	if len(own) == 0 {
		return ""
	}
	return own[skip%len(own)]
}

// table is both counts as Markdown.
func (c *counts) table() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "| killed with SIGKILL | times | at a moment between the phases below |\n|---|---|---|\n")
	for _, k := range kindNames {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", k, c.kills[k], c.alive[k])
	}
	fmt.Fprintf(&b, "\n| kills that fell into | of | times |\n|---|---|---|\n")
	for _, p := range phases {
		of := p.of
		if of != host { // all roles are in it
			of += " or " + standalone
		}
		fmt.Fprintf(&b, "| %s: %s | %s | %d |\n", strings.TrimPrefix(p.name, "host/"), p.what, of, c.in[p.name])
	}
	return b.String()
}
