package policy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// maxBundles bounds how finely a namespace is divided.
const maxBundles = 1024

func localPoliciesKey(namespace string) string { return localKey + "/" + namespace }

// EvenBoundaries divide all hashes into n equal bundles as Apache does: n+1 boundaries, from 0 to 0xffffffff.
func EvenBoundaries(n int) []uint32 {
	b := make([]uint32, n+1)
	for i := range n {
		b[i] = uint32(uint64(i) * ((1 << 32) / uint64(n)))
	}
	b[n] = math.MaxUint32
	return b
}

// bundlesData is Apache's BundlesData.
type bundlesData struct {
	Boundaries []string `json:"boundaries"`
	NumBundles int      `json:"numBundles"`
}

func bundlesField(boundaries []uint32) map[string]any {
	texts := make([]any, len(boundaries))
	for i, b := range boundaries {
		texts[i] = fmt.Sprintf("0x%08x", b)
	}
	return map[string]any{"boundaries": texts, "numBundles": len(boundaries) - 1}
}

// parseBundles checks what a document says of bundles; nil when it says nothing.
func parseBundles(fields map[string]any) ([]uint32, error) {
	data, ok, err := field[bundlesData](fields, "bundles")
	if err != nil || !ok || (len(data.Boundaries) == 0 && data.NumBundles == 0) {
		return nil, err
	}
	if len(data.Boundaries) == 0 {
		if data.NumBundles < 1 || data.NumBundles > maxBundles {
			return nil, fault.BundlesValue.New("%d bundles", data.NumBundles)
		}
		return EvenBoundaries(data.NumBundles), nil
	}
	if len(data.Boundaries) < 2 || len(data.Boundaries) > maxBundles+1 {
		return nil, fault.BundlesValue.New("%d boundaries", len(data.Boundaries))
	}
	b := make([]uint32, len(data.Boundaries))
	for i, text := range data.Boundaries {
		n, err := strconv.ParseUint(text, 0, 32)
		if err != nil {
			return nil, fault.BundlesValue.New("boundary %.40q", text)
		}
		b[i] = uint32(n)
		if i > 0 && b[i] <= b[i-1] {
			return nil, fault.BundlesValue.New("%s is not above %s", text, data.Boundaries[i-1])
		}
	}
	if b[0] != 0 || b[len(b)-1] != math.MaxUint32 {
		return nil, fault.BundlesValue.New("%s to %s are not all hashes", data.Boundaries[0], data.Boundaries[len(b)-1])
	}
	return b, nil
}

func requestedBundles(fields map[string]any) ([]uint32, error) {
	b, err := parseBundles(fields)
	if err == nil && b == nil {
		b = EvenBoundaries(defaultBundles)
	}
	return b, err
}

// Boundaries are a namespace's bundles: ascending, the first 0, the last 0xffffffff; bundle i holds the hashes from boundary i up to,
// without, boundary i+1, and the last also 0xffffffff. They stand in the local policies, which are copied from the policies by
// whoever needs them first. The slice is shared: not to be changed. NamespaceNotFound when there is no such namespace.
func (s *Store) Boundaries(ctx context.Context, namespace string) ([]uint32, error) {
	policies, err := s.namespace(ctx, namespace)
	if err != nil {
		return nil, err
	}
	local, err := s.load(ctx, localPoliciesKey(namespace))
	if err != nil {
		return nil, err
	}
	if local != nil {
		if b, err := local.bundles(); b != nil || err != nil {
			return b, err
		}
	}
	b, err := requestedBundles(policies.fields)
	if err != nil {
		return nil, err
	}
	err = s.update(ctx, localPoliciesKey(namespace), func(fields map[string]any, exists bool) error {
		if !exists {
			fields["migrated"] = false
		}
		switch there, err := parseBundles(fields); {
		case err != nil:
			return err
		case there != nil: // somebody else was first
			b = there
		default:
			fields["bundles"] = bundlesField(b)
		}
		return nil
	})
	if err != nil && !errors.Is(err, meta.ErrUnknown) {
		return nil, err
	}
	return b, err
}
