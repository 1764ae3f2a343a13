package functions

import (
	"testing"
	"time"
)

func TestParkedPropertiesReadBack(t *testing.T) {
	for _, p := range []Parked{
		{By: "t/n/f", At: time.UnixMilli(1700000000123).UTC(), Reason: "no", Code: "STB-FUNCTION-0010", Attempts: 5,
			Topic: "persistent://t/n/in", MessageID: "3:4:-1", PublishTime: 1700000000000},
		{By: "t/n/f", At: time.UnixMilli(0).UTC(), Attempts: 1},
	} {
		props := map[string]string{}
		p.Properties(func(k, v string) {
			if !IsParkedProperty(k) {
				t.Errorf("%s is not known as a property of parking", k)
			}
			props[k] = v
		})
		got, ok := ReadParked(func(k string) string { return props[k] })
		if !ok || got != p {
			t.Errorf("got %+v, want %+v", got, p)
		}
	}
	if _, ok := ReadParked(func(string) string { return "" }); ok {
		t.Error("a message without properties counts as parked")
	}
}

func TestDeadLetterTopic(t *testing.T) {
	if got := DeadLetterTopic(FQName{"public", "default", "f"}); got != "persistent://public/default/f-DLQ" {
		t.Error(got)
	}
}
