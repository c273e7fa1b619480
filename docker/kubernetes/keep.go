package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files of a keep.
const (
	fileAuthority       = "ca.crt"
	fileServing         = "serving.crt"
	fileServingKey      = "serving.key"
	fileServiceAccounts = "service-accounts.key"
	fileTokens          = "tokens.csv"
)

// validity of certificates: longer than any test, shorter than for ever.
const validity = 365 * 24 * time.Hour

// keep is the folder of what the server is known by: its certificate, the
// authority that signed it, and the tokens of its users. The authority's own
// key is thrown away once it has signed.
type keep struct {
	dir    string
	admin  string // token
	nobody string // token
}

func (k *keep) path(name string) string { return filepath.Join(k.dir, name) }

// loadKeep reads the folder, or makes it. It is written beside and renamed, so
// that it is whole or not there.
func loadKeep(dir string) (*keep, error) {
	k := &keep{dir: dir}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := makeKeep(dir); err != nil {
			return nil, err
		}
	}
	tokens, err := os.ReadFile(k.path(fileTokens))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(tokens), "\n")
	if len(lines) < 2 {
		return nil, fmt.Errorf("%s has %d lines", k.path(fileTokens), len(lines))
	}
	k.admin, _, _ = strings.Cut(lines[0], ",")
	k.nobody, _, _ = strings.Cut(lines[1], ",")
	return k, nil
}

func makeKeep(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	beside, err := os.MkdirTemp(filepath.Dir(dir), ".keep-")
	if err != nil {
		return err
	}
	k := &keep{dir: beside}
	tokens := rand.Text() + ",admin,admin,system:masters\n" + rand.Text() + ",nobody,nobody,\n"
	if err := os.WriteFile(k.path(fileTokens), []byte(tokens), 0o600); err != nil {
		return err
	}
	if _, err := k.newKey(fileServiceAccounts); err != nil {
		return err
	}
	if err := k.makeCertificates(); err != nil {
		return err
	}
	return os.Rename(beside, dir)
}

func (k *keep) makeCertificates() error {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	servingKey, err := k.newKey(fileServingKey)
	if err != nil {
		return err
	}
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lockproof authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	serving := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "lockproof kube-apiserver"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	signed, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	if err := k.writePEM(fileAuthority, "CERTIFICATE", signed); err != nil {
		return err
	}
	signed, err = x509.CreateCertificate(rand.Reader, serving, authority, servingKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	return k.writePEM(fileServing, "CERTIFICATE", signed)
}

func (k *keep) newKey(name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, k.writePEM(name, "EC PRIVATE KEY", der)
}

func (k *keep) writePEM(name, kind string, der []byte) error {
	return os.WriteFile(k.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// writeKubeconfig writes the file by which clients find the server; JSON is
// YAML. The certificate of the authority is inside, so that the file can be
// used after the folder is gone.
func (k *keep) writeKubeconfig(path, url string) error {
	authority, err := os.ReadFile(k.path(fileAuthority))
	if err != nil {
		return err
	}
	type m = map[string]any
	user := func(name, token string) m { return m{"name": name, "user": m{"token": token}} }
	as := func(name string) m { return m{"name": name, "context": m{"cluster": "lockproof", "user": name}} }
	config, err := json.MarshalIndent(m{
		"apiVersion": "v1", "kind": "Config", "current-context": "admin",
		"clusters": []m{{"name": "lockproof", "cluster": m{"server": url, "certificate-authority-data": authority}}},
		"users":    []m{user("admin", k.admin), user("nobody", k.nobody)},
		"contexts": []m{as("admin"), as("nobody")},
	}, "", "  ")
	if err != nil {
		return err
	}
	beside := path + ".new"
	if err := os.WriteFile(beside, config, 0o600); err != nil {
		return err
	}
	return os.Rename(beside, path)
}
