package lock_test

import (
	"testing"

	"github.com/lockproof/lockproof/backends/memory"
	"github.com/lockproof/lockproof/lock"
)

func BenchmarkAcquireReleaseUncontended(b *testing.B) {
	for name, options := range map[string][]lock.AcquireOption{"heartbeat": nil, "manual renewal": {lock.ManualRenewal()}} {
		b.Run(name, func(b *testing.B) {
			c, err := lock.New(memory.New(), lock.SystemRuntime{}, lock.Config{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				l, err := c.Acquire(b.Context(), "k", options...)
				if err != nil {
					b.Fatal(err)
				}
				if err := l.Release(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRenew(b *testing.B) {
	c, err := lock.New(memory.New(), lock.SystemRuntime{}, lock.Config{})
	if err != nil {
		b.Fatal(err)
	}
	l, err := c.Acquire(b.Context(), "k", lock.ManualRenewal())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Renew(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Release(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkEncode(b *testing.B) {
	encode := lock.Encode()
	b.ReportAllocs()
	for b.Loop() {
		encode()
	}
}

func BenchmarkDecode(b *testing.B) {
	value := lock.EncodedHeld()
	for name, decode := range map[string]func([]byte) error{"fast": lock.Decode, "by encoding-json": lock.DecodeSlow} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
