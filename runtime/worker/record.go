package worker

import (
	"encoding/json"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/meta"
)

// maxInstances is the most instances of one deployment.
const maxInstances = 1000

// owner names a deployment.
type owner struct {
	kind functions.Kind
	name functions.FQName
}

func (o owner) String() string { return string(o.kind) + " " + o.name.String() }

// decodeSpec reads the record of a deployment (docs/format/functions.md). A record that does not belong under its key, or asks for more
// instances than there may be, is a fault.WorkerRecord like one that is no JSON: nothing is guessed. Fields that are not known are left out,
// because those without which a record would mean something else come with a higher format: that is a fault.WorkerFormat.
func decodeSpec(o owner, data []byte) (functions.Spec, error) {
	if len(data) > meta.MaxValue {
		return functions.Spec{}, fault.WorkerRecord.New("%s: %d bytes", o, len(data))
	}
	if f := functions.RecordFormatOf(data); f > functions.RecordFormat {
		return functions.Spec{}, fault.WorkerFormat.New("%s: format %d, up to %d are known", o, f, functions.RecordFormat)
	}
	var s functions.Spec
	if err := json.Unmarshal(data, &s); err != nil {
		return functions.Spec{}, fault.WorkerRecord.New("%s: %w", o, err)
	}
	switch {
	case s.Kind != o.kind || s.FQName != o.name:
		return functions.Spec{}, fault.WorkerRecord.New("%s: it is that of %.20q %.300q", o, s.Kind, s.FQName)
	case s.Generation < 1:
		return functions.Spec{}, fault.WorkerRecord.New("%s: generation %d", o, s.Generation)
	case s.Parallelism < 0 || s.Parallelism > maxInstances:
		return functions.Spec{}, fault.WorkerRecord.New("%s: %d instances", o, s.Parallelism)
	case s.Kind == functions.KindFunction && s.Artifact == nil:
		return functions.Spec{}, fault.WorkerRecord.New("%s: no module", o)
	}
	return s, nil
}
