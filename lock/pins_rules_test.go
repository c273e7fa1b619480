package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestHoldersSideBySideAreChangedOneByOne(t *testing.T) {
	s := &state{token: 3, mode: Shared, holders: []holder{
		{id: "a", owner: "a", ttl: time.Second, beat: 1}, {id: "b", owner: "b", ttl: time.Second, beat: 2}, {id: "c", owner: "c", ttl: time.Second, beat: 3},
	}}
	ids := func(s *state) string {
		text := ""
		for _, h := range s.holders {
			text += fmt.Sprint(h.id, h.beat)
		}
		return text
	}
	for id, want := range map[string]string{"a": "a9b2c3", "b": "a1b9c3", "c": "a1b2c9", "d": "a1b2c3"} {
		if got := ids(s.withBeat(id, 9)); got != want {
			t.Errorf("beat of %s: %s, want %s", id, got, want)
		}
	}
	for id, want := range map[string]string{"a": "b2c3", "b": "a1c3", "c": "a1b2", "d": "a1b2c3"} {
		if got := ids(s.without(id)); got != want {
			t.Errorf("without %s: %s, want %s", id, got, want)
		}
	}
	if got := ids(s); got != "a1b2c3" {
		t.Errorf("the state was changed: %s", got)
	}
}

func TestEachHolderKeepsItsOwnSignOfLife(t *testing.T) {
	r := soundRules()
	holders := func(beats ...uint64) *state {
		s := &state{token: 1, mode: Shared}
		for i, b := range beats {
			s.holders = append(s.holders, holder{id: fmt.Sprint(i), ttl: time.Second, beat: b})
		}
		return s
	}
	first := r.observe(nil, "1", holders(1, 1, 1), 10)
	second := r.observe(first, "2", holders(1, 2, 1), 20)
	if got := fmt.Sprint(second.seenAt); got != "[10ns 20ns 10ns]" {
		t.Errorf("seen at %s", got)
	}
	if got := fmt.Sprint(first.seenAt); got != "[10ns 10ns 10ns]" {
		t.Errorf("seen at first: %s", got)
	}
	if at, free := r.availableAt(second, 0); free || at != 20+time.Second {
		t.Errorf("available at %s, free %v", at, free)
	}
}

func TestTextIsWrittenAsJSONReadsIt(t *testing.T) {
	for b := range 256 {
		text := "x" + string(rune(b)) + "y" + string([]byte{byte(b)})
		var got, want string
		if err := json.Unmarshal(appendString(nil, text), &got); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		quoted, _ := json.Marshal(text)
		if err := json.Unmarshal(quoted, &want); err != nil || got != want {
			t.Errorf("%q is read back as %q, want %q", text, got, want)
		}
	}
}

func TestWhatFollowsARecordIsRefused(t *testing.T) {
	for _, text := range []string{
		`{"v":1,"token":1,"attributes":{}} {}`, `{"v":1,"token":1,"attributes":{}}x`, `{"v":1,"token":1,"attributes":{}}]`,
	} {
		if s, err := decodeState([]byte(text)); err == nil || s != nil {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
	}
}

func TestALeaseOfAYearIsTheLongest(t *testing.T) {
	for ttl, ok := range map[int64]bool{maxTTL.Milliseconds(): true, maxTTL.Milliseconds() + 1: false, 2 * maxTTL.Milliseconds(): false} {
		text := fmt.Sprintf(`{"v":1,"token":1,"mode":"shared","holders":[{"id":"a","owner":"","ttl_ms":%d,"beat":0}]}`, ttl)
		_, err := decodeState([]byte(text))
		if (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("between 1 and %d", maxTTL.Milliseconds())) {
			t.Error(err)
		}
	}
}

func TestAHolderIsThereOnceWhereverItStands(t *testing.T) {
	s := &state{token: 1, mode: Shared, holders: []holder{{id: "a", ttl: 1}, {id: "b", ttl: 1}, {id: "c", ttl: 1}, {id: "b", ttl: 1}}}
	if err := s.validate(); err == nil || !strings.Contains(err.Error(), `holder "b" twice`) {
		t.Error(err)
	}
}

func TestTheCacheForgetsInTheOrderOfItsRing(t *testing.T) {
	var c viewCache
	for i := range 3 * viewCacheSize {
		c.put(fmt.Sprint(i), &view{})
		if n := len(c.byName); n != min(i+1, viewCacheSize) {
			t.Fatalf("%d views are kept after %d", n, i+1)
		}
	}
	for i := range 3 * viewCacheSize {
		if known := c.get(fmt.Sprint(i)) != nil; known != (i >= 2*viewCacheSize) {
			t.Fatalf("view %d is kept: %v", i, known)
		}
	}
}

// A slice bounds how late a sleep is after a suspend, and a sleep ends with its
// context at any time.
func TestASleepOfTheSystemIsMadeOfSlices(t *testing.T) {
	var rt SystemRuntime
	began := rt.Now()
	if err := rt.Sleep(t.Context(), sleepSlice+sleepSlice/2); err != nil {
		t.Fatal(err)
	}
	if slept := rt.Now() - began; slept < sleepSlice+sleepSlice/2 {
		t.Errorf("slept %s", slept)
	}
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
	if err := rt.Sleep(ctx, time.Hour); !errors.Is(err, why) {
		t.Errorf("a sleep whose context ended: %v", err)
	}
}
