package local

import "testing"

func FuzzRecord(f *testing.F) {
	f.Add(encodeNumber(7))
	f.Add([]byte{recordFormat, 0, 0, 0, 0, 0, 0, 0, 1, 'x'})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, record []byte) {
		if v, err := decodeValue("/k", record); err == nil && len(v.Data) != len(record)-9 {
			t.Errorf("%d bytes of data in a record of %d", len(v.Data), len(record))
		}
		if n, err := decodeNumber("/k", record); err == nil && string(encodeNumber(n)) != string(record) {
			t.Errorf("%d is not what %x says", n, record)
		}
	})
}
