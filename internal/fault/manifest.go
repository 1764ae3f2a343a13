package fault

var (
	ManifestSyntax = &Fault{
		Code: "STB-MANIFEST-0001", Title: "resource file cannot be read",
		Cause: "The file is missing, too large, or not YAML.",
		Fix:   "Correct the file at the place that is named. `strobe topics get NAME -o yaml` prints the form of a resource.",
	}
	ManifestKind = &Fault{
		Code: "STB-MANIFEST-0002", Title: "unknown apiVersion or kind",
		Cause: "A document does not begin with apiVersion: strobe/v1 and one of the kinds Topic, Function, Source.",
		Fix:   "Write apiVersion: strobe/v1 and kind: Topic, Function or Source.",
	}
	ManifestUnknownKey = &Fault{
		Code: "STB-MANIFEST-0003", Title: "unknown key in a resource",
		Cause: "The kind has no such key. Strobe refuses the file rather than ignore what somebody meant.",
		Fix:   "Correct or remove the key. `strobe explain Topic`, `Function` or `Source` lists the keys of a kind.",
	}
	ManifestBadValue = &Fault{
		Code: "STB-MANIFEST-0004", Title: "value does not fit its key",
		Cause: "The value has another type than the key takes, or lies outside its range.",
		Fix:   "Give a value of the type that is named.",
	}
	ManifestMissing = &Fault{
		Code: "STB-MANIFEST-0005", Title: "required key is missing",
		Cause: "The resource cannot be made without this key.",
		Fix:   "Add the key.",
	}
	ManifestTwice = &Fault{
		Code: "STB-MANIFEST-0006", Title: "given twice",
		Cause: "A key stands twice in a mapping, or a resource twice in the files, so one of the two would be ignored.",
		Fix:   "Remove one of the two.",
	}
	ManifestLoop = &Fault{
		Code: "STB-MANIFEST-0007", Title: "function reads its own output",
		Cause: "The output topic is also an input: every message would make another one for ever.",
		Fix:   "Give the function an output topic that it does not read.",
	}
	ManifestSecret = &Fault{
		Code: "STB-MANIFEST-0008", Title: "secret is a value, not a reference",
		Cause: "Secrets are never stored: a secret key takes a reference that the worker resolves where it runs.",
		Fix:   "Write env:NAME or file:/path, and allow it with worker.secretEnvironment or worker.secretDirectories.",
	}
)

// manifestFaults is the manifest room's part of the table.
var manifestFaults = []*Fault{
	ManifestSyntax, ManifestKind, ManifestUnknownKey, ManifestBadValue, ManifestMissing, ManifestTwice, ManifestLoop, ManifestSecret,
}
