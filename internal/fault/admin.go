package fault

var (
	AdminBody = &Fault{
		Code: "STB-ADMIN-0001", Title: "request body does not fit",
		Cause: "The body is not the JSON that this path takes, or is too large.",
		Fix:   "Send what Pulsar's admin API describes for the path; pulsar-admin and pulsarctl do.",
	}
	AdminParameter = &Fault{
		Code: "STB-ADMIN-0002", Title: "parameter does not fit",
		Cause: "A part of the path or the query has the wrong form.",
		Fix:   "Correct the parameter that is named.",
	}
	AdminPath = &Fault{
		Code: "STB-ADMIN-0003", Title: "no such path",
		Cause: "This version does not serve that path or method of Pulsar's admin API.",
		Fix:   "docs/protocol/admin.md lists what is served.",
	}
	AdminOrigin = &Fault{
		Code: "STB-ADMIN-0004", Title: "request comes from a foreign web page",
		Cause: "A browser sent it on behalf of a page of another origin, or under a host name that is not this server's. Without this check any page could deploy code on your machine.",
		Fix:   "Use the command line, or allow the page with http.allowedOrigins and the name with http.allowedHosts.",
	}
	AdminSystemSubscription = &Fault{
		Code: "STB-ADMIN-0005", Title: "subscription belongs to the broker",
		Cause: "The name is one of those that the broker keeps its own positions under.",
		Fix:   "Choose another subscription.",
	}
)

// adminFaults is the admin room's part of the table.
var adminFaults = []*Fault{AdminBody, AdminParameter, AdminPath, AdminOrigin, AdminSystemSubscription}
