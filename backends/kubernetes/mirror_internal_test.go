package kubernetes

import (
	"math"
	"testing"
)

func TestTheMirrorTellsTheTruth(t *testing.T) {
	m := newMirror()
	held := []byte(`{"v":1,"token":7,"mode":"exclusive","holders":[{"id":"i-1","owner":"worker-3","ttl_ms":2500,"beat":4}]}`)
	spec, written := m.spec("k", held)
	if spec["holderIdentity"] != "worker-3" || spec["leaseDurationSeconds"] != int64(3) || spec["leaseTransitions"] != uint64(7) ||
		spec["renewTime"] == nil || spec["acquireTime"] != spec["renewTime"] {
		t.Errorf("a grant shows as %v", spec)
	}
	if again, _ := m.spec("k", held); again["acquireTime"] == nil {
		t.Errorf("a grant that was not written was remembered: %v", again)
	}
	written()
	renewed, _ := m.spec("k", held)
	if _, set := renewed["acquireTime"]; set {
		t.Errorf("a renewal changes acquireTime: %v", renewed)
	}
	free, written := m.spec("k", []byte(`{"v":1,"token":7}`))
	if free["holderIdentity"] != nil || free["leaseDurationSeconds"] != nil || free["acquireTime"] != nil || free["leaseTransitions"] != uint64(7) {
		t.Errorf("a free lock shows as %v", free)
	}
	written()
	if len(m.tokens) != 0 {
		t.Errorf("a free lock is remembered: %v", m.tokens)
	}
	shared, _ := m.spec("k", []byte(`{"v":1,"token":8,"mode":"shared","holders":[{"id":"a","ttl_ms":1},{"id":"b","ttl_ms":1001},{"id":"c","ttl_ms":1}]}`))
	if shared["holderIdentity"] != "a and 2 more" || shared["leaseDurationSeconds"] != int64(2) {
		t.Errorf("a shared lock shows as %v", shared)
	}
}

// Whatever a record holds, the server must take the mirror of it.
func FuzzMirror(f *testing.F) {
	f.Add([]byte(`{"v":1,"token":18446744073709551615,"holders":[{"id":"a","owner":"o","ttl_ms":9223372036854775807}]}`))
	f.Add([]byte(`{"v":1,"holders":[{}]}`))
	f.Add([]byte(`{"v":2,"token":1}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, value []byte) {
		spec, written := newMirror().spec("k", value)
		written()
		if s, ok := spec["leaseDurationSeconds"].(int64); ok && (s < 1 || s > math.MaxInt32) {
			t.Errorf("leaseDurationSeconds %d", s)
		}
		if n, ok := spec["leaseTransitions"].(uint64); ok && n > math.MaxInt32 {
			t.Errorf("leaseTransitions %d", n)
		}
		if len(spec) < 4 {
			t.Errorf("fields are missing: %v", spec)
		}
	})
}
