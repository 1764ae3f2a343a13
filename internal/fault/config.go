package fault

var (
	ConfigUnknownKey = &Fault{
		Code: "STB-CONFIG-0001", Title: "unknown configuration key",
		Cause: "A key in strobe.yaml, in --set or in the environment is not in the table of keys. Strobe refuses to start rather than ignore what somebody meant.",
		Fix:   "Correct the key. `strobe config keys` lists all of them with their defaults.",
	}
	ConfigBadValue = &Fault{
		Code: "STB-CONFIG-0002", Title: "configuration value does not fit its key",
		Cause: "The value has another type than the key takes, or lies outside its range.",
		Fix:   "Give a value of the type that `strobe config keys` shows for the key.",
	}
	ConfigSyntax = &Fault{
		Code: "STB-CONFIG-0003", Title: "configuration file cannot be read",
		Cause: "The file is missing, unreadable, or not YAML with one mapping of sections.",
		Fix:   "Check the path and the indentation at the line that is named; sections are broker, bookie, http and worker.",
	}
	ConfigDuplicate = &Fault{
		Code: "STB-CONFIG-0004", Title: "configuration key is given twice",
		Cause: "The same key stands twice in one file, so one of the values would be ignored.",
		Fix:   "Remove one of the two.",
	}
	ConfigSetForm = &Fault{
		Code: "STB-CONFIG-0005", Title: "--set is not of the form key=value",
		Cause: "The argument of --set has no equals sign or no key before it.",
		Fix:   "Write for example --set broker.maxMessageSize=1048576.",
	}
	ConfigSegment = &Fault{
		Code: "STB-CONFIG-0006", Title: "a message would not fit a file of the log",
		Cause: "An entry lies in one file of a bookie's log. A message that is allowed and larger than that could never be stored, and its topic would stand still.",
		Fix:   "Make bookie.segmentSizeMB larger than broker.maxMessageSize, or that smaller.",
	}
)

// configFaults is the config room's part of the table.
var configFaults = []*Fault{ConfigUnknownKey, ConfigBadValue, ConfigSyntax, ConfigDuplicate, ConfigSetForm, ConfigSegment}
