package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/broker/policy"
	"github.com/strobemq/strobe/internal/config"
	"github.com/strobemq/strobe/storage/ledger"
)

func clusterCommand() *cobra.Command {
	c := &cobra.Command{Use: "cluster", GroupID: "server", Short: "Found a cluster of several processes", Args: cobra.NoArgs}
	var metadata, file string
	var set []string
	found := &cobra.Command{
		Use: "init", Short: "Make what the metadata of a new cluster must hold",
		Long: "Makes what the metadata store must hold before the first bookie and broker start: an instance id, BookKeeper's layout, the cluster,\n" +
			"the tenants public and pulsar. What is there stays: running it again changes nothing.",
		Example: "  strobe cluster init --metadata etcd://etcd-0:2379,etcd-1:2379 --set broker.clusterName=shop",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if metadata != "" {
				set = append(set, "metadata.url="+metadata)
			}
			cfg, errs := config.Load(file, set)
			if errs != nil {
				return errors.Join(errs...)
			}
			ctx := c.Context()
			m, err := openCluster(ctx, cfg, nil)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, m.Close()) }()
			instance, err := ledger.Format(ctx, m)
			if err != nil {
				return err
			}
			p, err := policy.Open(ctx, policy.Options{Meta: m, Cluster: cfg.Broker.ClusterName})
			if err != nil {
				return err
			}
			defer p.Close()
			if err := p.Init(ctx, policy.Addresses{}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "cluster %s is there, instance %s\n", cfg.Broker.ClusterName, instance)
			return err
		},
	}
	found.Flags().StringVar(&metadata, "metadata", "", "metadata of the cluster, etcd://host:port,host:port/prefix (metadata.url)")
	found.Flags().StringVar(&file, "config", "", "configuration file (strobe.yaml)")
	found.Flags().StringArrayVar(&set, "set", nil, "a configuration key, key=value; `strobe config keys` lists them")
	c.AddCommand(found)
	return c
}
