// Command kubernetes is a Kubernetes API server with an etcd inside: the real
// ones, compiled into one process for tests. It listens on the loopback
// interface alone and keeps all that it has (data, keys, certificates, tokens)
// in one folder, so that it can be started again where it was.
//
// When it answers it prints one line,
//
//	lockproof: listening on https://127.0.0.1:PORT
//
// and it ends in an orderly way when it reads the line "keep" on its standard
// input. When that is closed first, as the kernel does when the parent dies, it
// removes its folder too. It writes DATA/kubeconfig with two users, each a
// context of its name: "admin" may do everything, "nobody" nothing.
//
// There are no controllers, no scheduler and no nodes. Of the admission plugins
// only NamespaceLifecycle runs; webhooks, quotas and priority and fairness are
// off.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"time"
)

// graceToStop is how long the API server may take to stop: its open watches
// would hold it up for a minute.
const graceToStop = 2 * time.Second

func main() {
	data := flag.String("data", "", "folder for all that the server keeps (required)")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on, on the loopback interface")
	flag.Parse()
	ctx, cancel := context.WithCancel(context.Background())
	signal.Ignore(os.Interrupt) // a terminal sends it to all; the parent decides
	var tidy atomic.Bool
	go func() {
		said, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		tidy.Store(said != "keep\n")
		cancel()
	}()
	err := run(ctx, *data, *listen)
	if tidy.Load() && *data != "" {
		err = errors.Join(err, os.RemoveAll(*data))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lockproof: kubernetes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, data, listen string) error {
	if data == "" {
		return errors.New("-data is missing")
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	listener, err := listenLocally(listen)
	if err != nil {
		return err
	}
	keep, err := loadKeep(filepath.Join(data, "keep"))
	if err != nil {
		return err
	}
	etcd, err := startEtcd(filepath.Join(data, "etcd"))
	if err != nil {
		return err
	}
	defer etcd.Close()
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	api, err := startAPIServer(serving, keep, listener, etcd.Clients[0].Addr().String())
	if err != nil {
		stopServing()
		return err
	}
	defer func() {
		stopServing()
		select {
		case <-api.done:
		case <-time.After(graceToStop):
		}
	}()
	if err := api.waitReady(ctx); err != nil {
		return err
	}
	url := "https://" + listener.Addr().String()
	if err := keep.writeKubeconfig(filepath.Join(data, "kubeconfig"), url); err != nil {
		return err
	}
	fmt.Println("lockproof: listening on " + url)
	select {
	case <-ctx.Done():
		return nil
	case <-api.done:
		return fmt.Errorf("the API server ended: %w", api.err)
	}
}

// listenLocally refuses every address but the loopback interface's: the server
// is made for tests and guarded accordingly.
func listenLocally(address string) (net.Listener, error) {
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	if !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("%s is not on the loopback interface", address)
	}
	return net.ListenTCP("tcp", tcp)
}
