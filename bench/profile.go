package main

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"

	"github.com/strobemq/strobe/bench/report"
	"github.com/strobemq/strobe/internal/product"
)

// profiled is where the processor went while something was measured that missed its goal.
type profiled struct {
	what string
	ours []product.Spent // by function of this module, with what it called
	leaf []product.Spent // by function that ran
}

// profileMiss gives the product one more slice, under a processor profile of the process at addr (empty: this one), if a row missed
// its goal.
func (b *bench) profileMiss(ctx context.Context, row report.Row, addr string, slice func(context.Context) (sample, error)) error {
	if v := row.Verdict(); (v == "" || v == report.Met) && !b.always {
		return nil
	}
	return b.profile(ctx, row.What, addr, func(ctx context.Context) error {
		_, err := slice(ctx)
		return err
	})
}

// profileServer is profileMiss for the processes of a deployment: the only one, or the broker and one of the bookies.
func (b *bench) profileServer(ctx context.Context, row report.Row, d *deployment, slice func(context.Context) (sample, error)) error {
	for _, p := range []struct{ name, suffix string }{{"", ""}, {"broker-0", " (the broker)"}, {"bookie-0", " (a bookie)"}} {
		profiles, ok := d.profiles[p.name]
		if !ok {
			continue
		}
		one := row
		one.What += p.suffix
		if err := b.profileMiss(ctx, one, profiles.Server, slice); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) profile(ctx context.Context, what, addr string, work func(context.Context) error) error {
	fmt.Fprintf(os.Stderr, "  profile of %s\n", what)
	file := b.path("profile")
	var err error
	if addr == "" {
		err = profileSelf(ctx, file, work)
	} else {
		done := make(chan error, 1)
		go func() { done <- product.CPU(ctx, addr, file, b.shorter(sliceTime)) }()
		err = firstOf(work(ctx), <-done)
	}
	if err != nil {
		return fmt.Errorf("profile of %s: %w", what, err)
	}
	p := profiled{what: what}
	if p.ours, err = product.Top(ctx, file, 10, true); err != nil {
		return err
	}
	if p.leaf, err = product.Top(ctx, file, 6, false); err != nil {
		return err
	}
	b.profiles = append(b.profiles, p)
	return nil
}

func profileSelf(ctx context.Context, file string, work func(context.Context) error) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return work(ctx)
}

// profilesText is the profiles as markdown.
func (b *bench) profilesText() string {
	var out strings.Builder
	list := func(title string, of []product.Spent) {
		var parts []string
		for _, s := range of {
			parts = append(parts, fmt.Sprintf("`%s` %.0f %%", s.Function, s.Share*100))
		}
		fmt.Fprintf(&out, "- %s: %s\n", title, strings.Join(parts, ", "))
	}
	for _, p := range b.profiles {
		fmt.Fprintf(&out, "\n**%s**\n\n", p.what)
		list("by function of Strobe, with what it calls outside", p.ours)
		list("by function that ran", p.leaf)
	}
	return out.String()
}
