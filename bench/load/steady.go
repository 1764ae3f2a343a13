package load

import (
	"context"
	"time"
)

// Steady is Open without a part that is left out: one Answer for each entry. After an error there are none; Counts says how far it came.
func (p *Producer) Steady(ctx context.Context, interval, d time.Duration) ([]Answer, error) {
	_, answers, err := p.open(ctx, interval, d)
	return answers, err
}
