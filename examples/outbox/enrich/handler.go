// Command enrich is the function of the outbox example: it adds tax and total to each order.
package main

import (
	"encoding/json"

	strobe "github.com/strobemq/strobe/functions-sdk/golang"
)

func init() { strobe.Handle(enrich) }

func main() {}

// order is what the shop writes into its outbox. Amounts are cents.
type order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Seq      int    `json:"seq"` // counts the orders of a customer
	Net      int64  `json:"net"`
}

// enriched is what leaves.
type enriched struct {
	order
	Tax      int64  `json:"tax"`
	Total    int64  `json:"total"`
	Currency string `json:"currency"`
}

func enrich(ctx *strobe.Context, m strobe.Message) error {
	var o order
	if err := json.Unmarshal(m.Payload, &o); err != nil {
		return strobe.Reject("no order: " + err.Error())
	}
	tax := o.Net * 19 / 100
	out, err := json.Marshal(enriched{order: o, Tax: tax, Total: o.Net + tax, Currency: ctx.ConfigOr("currency", "EUR")})
	if err != nil {
		return err
	}
	m.Payload = out
	ctx.Emit(m)
	return nil
}
