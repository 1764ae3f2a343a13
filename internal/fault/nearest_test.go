package fault

import "testing"

func TestNearest(t *testing.T) {
	keys := []string{"broker.maxMessageSize", "broker.keepAliveIntervalSeconds", "bookie.segmentSizeMB"}
	for word, want := range map[string]string{
		"broker.maxMesageSize":  "broker.maxMessageSize",
		"broker.maxmessagesize": "broker.maxMessageSize",
		"bookie.segmentSzieMB":  "bookie.segmentSizeMB",
		"worker.unrelated":      "",
		"":                      "",
	} {
		if got := Nearest(word, keys); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
