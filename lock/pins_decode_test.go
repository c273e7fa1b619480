package lock

import (
	"math"
	"reflect"
	"testing"
	"time"
)

// wantSameDecision: what the fast decoder takes, the slow one takes for the same.
func wantSameDecision(t *testing.T, value []byte) {
	t.Helper()
	fast, ok := decodeFast(value)
	if !ok {
		return
	}
	slow, err := decodeSlow(value)
	if err != nil {
		t.Errorf("the fast decoder takes %q; the slow one: %v", value, err)
	} else if !reflect.DeepEqual(fast, slow) {
		t.Errorf("%q is %+v to the fast decoder and %+v to the slow one", value, fast, slow)
	}
}

func written() [][]byte {
	return [][]byte{
		(&state{}).encode(),
		(&state{token: 7}).encode(),
		(&state{token: math.MaxUint64}).encode(),
		exclusive(1, holder{id: "a-1", owner: "", ttl: time.Millisecond}).encode(),
		exclusive(90, holder{id: " !#[]~", owner: "w 17~", ttl: maxTTL, beat: 109}).encode(),
	}
}

func TestTheFastDecoderTakesWhatIsWritten(t *testing.T) {
	for _, value := range written() {
		if _, ok := decodeFast(value); !ok {
			t.Errorf("it does not take %s", value)
		}
		wantSameDecision(t, value)
	}
}

// Every record with one byte changed, left out or put in, and every beginning.
func TestTheFastDecoderTakesNothingThatTheSlowOneDoesNot(t *testing.T) {
	with := []byte{0x00, 0x1f, 0x20, 0x7e, 0x7f, 0x80, 0xff, '"', '\\', '0', '1', '9', ':', '/', '-', '.', ',', '}', '{', ']', 'e', 'x'}
	for _, value := range written() {
		for i := range value {
			wantSameDecision(t, value[:i])
			wantSameDecision(t, append(append([]byte{}, value[:i]...), value[i+1:]...))
			for _, b := range with {
				changed := append([]byte{}, value...)
				changed[i] = b
				wantSameDecision(t, changed)
				wantSameDecision(t, append(append(append([]byte{}, value[:i]...), b), value[i:]...))
			}
		}
		for _, b := range with {
			wantSameDecision(t, append(append([]byte{}, value...), b))
		}
	}
}

func TestNumbersAtTheirEdges(t *testing.T) {
	record := func(token, ttl, beat string) []byte {
		return []byte(`{"v":1,"token":` + token + `,"mode":"exclusive","holders":[{"id":"a","owner":"b","ttl_ms":` + ttl + `,"beat":` + beat + `}]}`)
	}
	for _, c := range []struct {
		token, ttl, beat string
		ok               bool
	}{
		{"1", "1", "0", true},
		{"0", "1", "0", false},
		{"01", "1", "0", false},
		{"1", "0", "0", false},
		{"1", "31622400000", "0", true}, // maxTTL
		{"1", "31622400001", "0", false},
		{"18446744073709551615", "9", "18446744073709551615", true},
		{"18446744073709551616", "9", "1", false},
		{"1", "9", "99999999999999999999999", false},
		{"", "9", "1", false},
		{"1", "", "1", false},
	} {
		value := record(c.token, c.ttl, c.beat)
		if _, err := decodeState(value); (err == nil) != c.ok {
			t.Errorf("%s: error %v", value, err)
		}
		if _, ok := decodeFast(value); ok != c.ok {
			t.Errorf("%s: the fast decoder takes it: %v", value, ok)
		}
		wantSameDecision(t, value)
	}
	free := []byte(`{"v":1,"token":01}`)
	if _, ok := decodeFast(free); ok {
		t.Errorf("the fast decoder takes %s", free)
	}
}

// A reader that has failed stays so, and eats no more.
func TestAReaderThatFailedStaysFailed(t *testing.T) {
	for name, fail := range map[string]func(*reader){
		"literal": func(r *reader) { r.literal("x") },
		"uint":    func(r *reader) { r.uint() },
		"text":    func(r *reader) { r.text() },
	} {
		r := &reader{rest: []byte(`[`)}
		fail(r)
		if !r.failed {
			t.Errorf("%s did not fail", name)
		}
		r.rest = []byte(`12"a"`)
		if n := r.uint(); n != 0 || !r.failed {
			t.Errorf("after a %s that failed a number is read: %d", name, n)
		}
		r.rest = []byte(`"a"`)
		if s := r.text(); s != "" || !r.failed {
			t.Errorf("after a %s that failed a text is read: %q", name, s)
		}
		if r.literal(`"a"`); string(r.rest) != `"a"` || !r.failed {
			t.Errorf("after a %s that failed a literal is eaten", name)
		}
	}
}

func TestTheFastDecoderMissesWhatIsLeftOut(t *testing.T) {
	for _, value := range []string{
		`{"v":1,"token":}`,
		`{"v":1,"token":,"mode":"exclusive","holders":[{"id":"a-1","owner":"a","ttl_ms":9000,"beat":0}]}`,
		`{"v":1,"token":7,"mode":"exclusive","holders":[{"id":,"owner":"a","ttl_ms":9000,"beat":0}]}`,
		`{"v":1,"token":7,"mode":"exclusive","holders":[{"id":"a-1","owner":,"ttl_ms":9000,"beat":0}]}`,
		`{"v":1,"token":7,"mode":"exclusive","holders":[{"id":"a-1","owner":"a","ttl_ms":,"beat":0}]}`,
		`{"v":1,"token":7,"mode":"exclusive","holders":[{"id":"a-1","owner":"a","ttl_ms":9000,"beat":}]}`,
	} {
		wantSameDecision(t, []byte(value))
		if _, err := decodeState([]byte(value)); err == nil {
			t.Errorf("%s is taken for a record", value)
		}
	}
}
