//go:build natsserver

// Command server is the real nats-server, built from its own module as a dependency. The module is nested so that the server's
// dependencies stay out of Strobe's.
package main

import (
	"fmt"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

// main serves with the configuration file that is its argument.
func main() {
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(file string) error {
	o, err := server.ProcessConfigFile(file)
	if err != nil {
		return err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		return err
	}
	s.WaitForShutdown()
	return nil
}
