package fault

// Errors about schemas.
var (
	SchemaIncompatible = &Fault{
		Code:  "STB-SCHEMA-0001",
		Title: "schema is not the topic's",
		Cause: "The topic has another schema. Until compatibility can be checked, a topic keeps the schema it began with.",
		Fix:   "Use the topic's schema (`pulsar-admin schemas get TOPIC`), another topic, or delete the topic's schema first.",
	}
	SchemaNotFound = &Fault{
		Code:  "STB-SCHEMA-0002",
		Title: "schema does not exist",
		Cause: "The topic has no schema, or none of this version, or it was deleted.",
		Fix:   "`pulsar-admin schemas get TOPIC` shows the latest one.",
	}
	SchemaMalformed = &Fault{
		Code:  "STB-SCHEMA-0003",
		Title: "schema cannot be read",
		Cause: "A schema is of an unknown type, larger than 512 KiB, or what is stored of it is damaged.",
		Fix:   "Correct the schema. If it is a stored one, delete the topic's schema and let producers send it again.",
	}
)

// schemaFaults is the schema room's part of the table.
var schemaFaults = []*Fault{SchemaIncompatible, SchemaNotFound, SchemaMalformed}
