package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func protoNumber(t Type) protoreflect.FieldNumber { return protowire.Number(t) }

// dropDefaults clears, here and below, optional fields that hold their default and fields of newer versions.
func dropDefaults(m protoreflect.Message) {
	m.SetUnknown(nil)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList():
			for i := range v.List().Len() {
				if fd.Kind() == protoreflect.MessageKind {
					dropDefaults(v.List().Get(i).Message())
				}
			}
		case fd.Kind() == protoreflect.MessageKind:
			dropDefaults(v.Message())
		case fd.Cardinality() == protoreflect.Optional && fd.Kind() != protoreflect.BytesKind && fd.Kind() != protoreflect.StringKind && v.Equal(fd.Default()):
			m.Clear(fd)
		}
		return true
	})
}
