package wasm_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/wasm"
)

// What cannot be a function is refused with a code, the cause and a fix.
func ExampleEngine_Validate() {
	engine := wasm.NewEngine(wasm.EngineOptions{})
	_, err := engine.Validate(context.Background(), []byte("PK\x03\x04"), 0)
	var f *fault.Error
	if errors.As(err, &f) {
		fmt.Println(f)
		fmt.Println(f.FixText())
	}
	// Output:
	// STB-FUNCTION-0001 not a WASM file: it begins with "PK\x03\x04"
	// Build the function with `strobe functions build` and deploy the .wasm file that it writes.
}
