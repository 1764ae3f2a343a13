package deploy

import (
	"regexp"
	"strings"
	"testing"
)

func find(t *testing.T, text, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)` + pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s", pattern)
	}
	return m[1]
}

// TestContainerBuildsWhatMakeBuilds compares the words of both commands, the Makefile's variables put in place.
func TestContainerBuildsWhatMakeBuilds(t *testing.T) {
	makefile, container := read(t, "../Makefile"), read(t, "Containerfile")
	want := find(t, makefile, `^build:.*\n\t(.+)$`)
	for range 2 { // LDFLAGS holds another variable
		for _, name := range []string{"BIN", "LDFLAGS"} {
			want = strings.ReplaceAll(want, "$("+name+")", find(t, makefile, `^`+name+`\s*:= (.+)$`))
		}
	}
	want = strings.NewReplacer("$(VERSION)", "$(cat VERSION)", "'", `"`).Replace(want)
	if find(t, makefile, `^VERSION\s*:= (.+)$`) != "$(shell cat VERSION)" {
		t.Error("the Makefile has its version from elsewhere")
	}
	if got := find(t, container, `^RUN (CGO_ENABLED.+)$`); got != want {
		t.Errorf("the container file builds with\n%s\nand the Makefile with\n%s", got, want)
	}
}

func TestContainerHasTheModulesGo(t *testing.T) {
	module := find(t, read(t, "../go.mod"), `^go (\d+\.\d+)`)
	if got := find(t, read(t, "Containerfile"), `^FROM golang:(\S+) AS build$`); got != module {
		t.Errorf("the container file builds with Go %s, the module asks for %s", got, module)
	}
}

func TestContainerRunsAsNobody(t *testing.T) {
	container := read(t, "Containerfile")
	_, final, ok := strings.Cut(container, "\nFROM scratch\n")
	if !ok {
		t.Fatal("the last stage is not empty")
	}
	user, volume := find(t, final, `^USER (\d+:\d+)$`), find(t, final, `^VOLUME (\S+)$`)
	if strings.HasPrefix(user, "0:") {
		t.Error("it runs as root")
	}
	if !regexp.MustCompile(`(?m)^COPY --from=build --chown=` + user + ` \S+ ` + volume + `$`).MatchString(final) {
		t.Errorf("%s does not belong to %s", volume, user)
	}
	if entry := find(t, final, `^ENTRYPOINT (.+)$`); entry != `["/strobe"]` {
		t.Errorf("the role cannot be the command: entry point %s", entry)
	}
}
