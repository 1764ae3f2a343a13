package postgres

import (
	"slices"
	"strings"
)

// shape is the part of a configuration that decides which rows become messages, and which. The numbers of rows after a position are only
// the same as before as long as the shape is; so it is stored with the position, and a new one takes over where nothing is on its way.
type shape struct {
	Publication string   `json:"publication"`
	Table       table    `json:"table"`
	Columns     columns  `json:"columns"`
	Headers     []header `json:"headers,omitempty"`
	Topic       string   `json:"topic"`
}

// table names a table as the catalog does.
type table struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
}

func (t table) String() string { return t.Schema + "." + t.Name }

// sql is the table's name in a statement.
func (t table) sql() string { return identifier(t.Schema) + "." + identifier(t.Name) }

// columns names the columns that make a message; Timestamp may be empty.
type columns struct {
	ID            string `json:"id"`
	AggregateType string `json:"aggregateType"`
	AggregateID   string `json:"aggregateId"`
	Payload       string `json:"payload"`
	Timestamp     string `json:"timestamp,omitempty"`
}

// header is a column that becomes a property.
type header struct {
	Column   string `json:"column"`
	Property string `json:"property"`
}

func (s shape) equal(o shape) bool {
	return s.Publication == o.Publication && s.Table == o.Table && s.Columns == o.Columns && s.Topic == o.Topic && slices.Equal(s.Headers, o.Headers)
}

// names lists the columns that the shape reads.
func (s shape) names() []string {
	list := []string{s.Columns.ID, s.Columns.AggregateType, s.Columns.AggregateID, s.Columns.Payload}
	if s.Columns.Timestamp != "" {
		list = append(list, s.Columns.Timestamp)
	}
	for _, h := range s.Headers {
		list = append(list, h.Column)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// identifier quotes a name for a statement.
func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal quotes a text for a statement (standard_conforming_strings is on in every session).
func literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }
