package main

import (
	"context"
	"net/http"

	"github.com/strobemq/strobe/internal/product"
)

// startBroker starts `strobe standalone` on an empty directory.
func startBroker(ctx context.Context, strobe, dir string) (*product.Process, error) {
	return product.Start(ctx, product.Options{Binary: strobe, Dir: dir, Args: []string{"--advertise", "localhost"}, Set: []string{"broker.maxMessageSize=1048576"}})
}

// prepare makes over REST what upstream's start script makes: the tenants and namespaces its tests expect.
func prepare(ctx context.Context, b *product.Process) error {
	for _, step := range []struct{ method, path, body string }{
		{http.MethodPost, "/admin/v2/tenants/public", `{"adminRoles":["anonymous"],"allowedClusters":["standalone"]}`},
		{http.MethodPut, "/admin/v2/tenants/private", `{"adminRoles":[],"allowedClusters":["standalone"]}`},
		{http.MethodPut, "/admin/v2/namespaces/private/auth", ``},
	} {
		if _, err := b.Do(ctx, step.method, step.path, step.body); err != nil {
			return err
		}
	}
	return nil
}
