package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// etcdStartTimeout bounds the start, which takes a fraction of a second.
const etcdStartTimeout = time.Minute

// walSegment is the size of a file of etcd's log, which takes its whole size
// from the start. The default is 64 MB.
const walSegment = 4 << 20

// startEtcd starts a cluster of one, or the one whose data is in dir. Writes
// are synced to disk before they are acknowledged, as in production.
func startEtcd(dir string) (*embed.Etcd, error) {
	wal.SegmentSizeBytes = walSegment
	config := embed.NewConfig()
	config.Name = "lockproof"
	config.Dir = dir
	config.LogLevel = "fatal" // to close a listener is an error to it; what matters is returned
	config.LogOutputs = []string{embed.StdErrLogOutput}
	local := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{local}, []url.URL{local}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{local}, []url.URL{local}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err := <-etcd.Err():
		return nil, fmt.Errorf("etcd: %w", err)
	case <-time.After(etcdStartTimeout):
		etcd.Close()
		return nil, errors.New("etcd: not ready within a minute")
	}
}
