package functions

import "encoding/json"

// RecordFormat is the newest form of the records of functions, sources and modules in the metadata that is known. The first has no number.
const RecordFormat = 1

// RecordFormatOf is the form of such a record, by its field "format"; 1 where there is none, and for what is no JSON object.
func RecordFormatOf(data []byte) int64 {
	r := struct {
		Format int64 `json:"format"`
	}{1}
	if json.Unmarshal(data, &r) != nil {
		return 1 // whoever decodes the rest says what is wrong
	}
	return r.Format
}
