package lock

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawHolders(t *rapid.T, label string, ids *rapid.Generator[string], least, most int) []holder {
	distinct := rapid.SliceOfNDistinct(ids, least, most, rapid.ID[string]).Draw(t, label)
	var out []holder
	for _, id := range distinct {
		out = append(out, holder{
			id: id, owner: rapid.String().Draw(t, "owner"), beat: rapid.Uint64().Draw(t, "beat"),
			ttl: time.Duration(rapid.Int64Range(1, maxTTL.Milliseconds()).Draw(t, "ttl ms")) * time.Millisecond,
		})
	}
	return out
}

func drawState(t *rapid.T) *state {
	s := &state{token: rapid.Uint64Range(1, 1<<63).Draw(t, "token")}
	ids := rapid.StringN(1, -1, 20)
	switch s.mode = rapid.SampledFrom([]Mode{"", Exclusive, Shared}).Draw(t, "mode"); s.mode {
	case Exclusive:
		s.holders = drawHolders(t, "holder", ids, 1, 1)
	case Shared:
		s.holders = drawHolders(t, "holders", ids, 1, 4)
	}
	if rapid.Bool().Draw(t, "more") {
		s.queue = drawHolders(t, "queue", ids, 0, 3)
		if data := rapid.SliceOf(rapid.Byte()).Draw(t, "data"); len(data) > 0 {
			s.data = data
		}
		if attributes := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "attributes"); len(attributes) > 0 {
			s.attributes = attributes
		}
	}
	return s
}

func TestARecordReadsAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawState(t)
		text := s.encode()
		got, err := decodeState(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(got, s) {
			t.Fatalf("%s reads as %+v, want %+v", text, got, s)
		}
	})
}

var goldenRecords = []struct {
	s    *state
	text string
}{
	{&state{}, `{"v":1,"token":0}`},
	{&state{token: 12}, `{"v":1,"token":12}`},
	{
		exclusive(7, holder{id: "f00-1", owner: "worker-3", ttl: 10 * time.Second, beat: 4}),
		`{"v":1,"token":7,"mode":"exclusive","holders":[{"id":"f00-1","owner":"worker-3","ttl_ms":10000,"beat":4}]}`,
	},
	{
		&state{
			token: 9, mode: Shared, holders: []holder{{"a", "Zoë", time.Second, 0}, {"b", `"quoted"`, time.Minute, 1 << 63}},
			queue: []holder{{"c", "<c>", time.Millisecond, 2}},
			data:  []byte("at step 5"), attributes: map[string]string{"zone": "b", "build": "1.2"},
		},
		`{"v":1,"token":9,"mode":"shared","holders":[{"id":"a","owner":"Zoë","ttl_ms":1000,"beat":0},` +
			`{"id":"b","owner":"\"quoted\"","ttl_ms":60000,"beat":9223372036854775808}],` +
			`"queue":[{"id":"c","owner":"\u003cc\u003e","ttl_ms":1,"beat":2}],` +
			`"data":"YXQgc3RlcCA1","attributes":{"build":"1.2","zone":"b"}}`,
	},
}

func TestTheTextOfRecords(t *testing.T) {
	for _, g := range goldenRecords {
		if got := string(g.s.encode()); got != g.text {
			t.Errorf("got  %s\nwant %s", got, g.text)
		}
		if got, err := decodeState([]byte(g.text)); err != nil || !reflect.DeepEqual(got, g.s) {
			t.Errorf("%s reads as %+v, %v", g.text, got, err)
		}
	}
}

func TestPlainRecordsAreReadFast(t *testing.T) {
	for i, g := range goldenRecords {
		if _, ok := decodeFast([]byte(g.text)); ok != (i < 3) {
			t.Errorf("read fast: %t: %s", ok, g.text)
		}
	}
}

func TestAForeignRecordIsRefusedWithAReason(t *testing.T) {
	held := func(id string, ms int) string {
		return fmt.Sprintf(`{"id":%q,"owner":"o","ttl_ms":%d,"beat":0}`, id, ms)
	}
	for _, c := range []struct{ text, want string }{
		{``, `not JSON`},
		{`hello`, `not JSON`},
		{`{"v":1,"token":1`, `not JSON`},
		{`null`, `it has no "v"`},
		{`{}`, `it has no "v"`},
		{`{"owner":"somebody"}`, `it has no "v"`},
		{`{"v":2,"token":1,"epoch":3}`, `it has format version 2`},
		{`{"v":0,"token":1}`, `it has format version 0`},
		{`{"v":1,"token":1,"epoch":3}`, `unknown field "epoch"`},
		{`{"v":1,"token":1} {"v":1,"token":2}`, `after top-level value`},
		{`{"v":1,"token":-1}`, `-1`},
		{`{"v":1,"token":1,"mode":"exclusive"}`, `mode "exclusive" without holders`},
		{`{"v":1,"token":1,"mode":"shared","holders":[]}`, `mode "shared" without holders`},
		{`{"v":1,"token":1,"holders":[` + held("a", 1) + `]}`, `mode "" is neither`},
		{`{"v":1,"token":1,"mode":"update","holders":[` + held("a", 1) + `]}`, `mode "update" is neither "exclusive" nor "shared"`},
		{`{"v":1,"token":1,"mode":"exclusive","holders":[` + held("a", 1) + `,` + held("b", 1) + `]}`, `2 holders of an exclusive lock`},
		{`{"v":1,"token":1,"mode":"shared","holders":[` + held("a", 1) + `,` + held("a", 1) + `]}`, `holder "a" twice`},
		{`{"v":1,"token":1,"mode":"exclusive","holders":[` + held("", 1) + `]}`, `a holder without an id`},
		{`{"v":1,"token":0,"mode":"exclusive","holders":[` + held("a", 1) + `]}`, `held with token 0`},
		{`{"v":1,"token":1,"mode":"exclusive","holders":[` + held("a", 0) + `]}`, `holders: ttl_ms 0 is not between 1 and`},
		{`{"v":1,"token":1,"mode":"exclusive","holders":[` + held("a", 1<<40) + `]}`, `holders: ttl_ms 1099511627776 is not between 1 and`},
		{`{"v":1,"token":1,"queue":[` + held("a", -5) + `]}`, `queue: ttl_ms -5 is not between 1 and`},
		{`{"v":1,"token":1,"data":"***"}`, `base64`},
	} {
		_, err := decodeState([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n\tgot  %v\n\twant ... %s ...", c.text, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, g := range goldenRecords {
		f.Add([]byte(g.text))
	}
	for _, text := range []string{
		``, `null`, `{"v":2}`, `{"v":1,"token":01}`, `{"v":1,"token":18446744073709551616}`,
		`{"v":1,"token":1,"mode":"exclusive","holders":[{"id":"\u0061","owner":"","ttl_ms":1,"beat":0}]}`,
		`{"v":1,"token":0,"mode":"exclusive","holders":[{"id":"a","owner":"","ttl_ms":1,"beat":0}]}`,
		`{"v":1,"token":1,"mode":"exclusive","holders":[{"id":"a","owner":"","ttl_ms":1,"beat":0}]} `,
		`{"v":1,"token":1,"attributes":{},"queue":[],"holders":null,"data":""}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		fast, ok := decodeFast(value)
		slow, err := decodeSlow(value)
		if ok && (err != nil || !reflect.DeepEqual(fast, slow)) {
			t.Fatalf("fast reads %+v, slow %+v, %v", fast, slow, err)
		}
		if err != nil {
			return
		}
		if len(slow.attributes) == 0 {
			slow.attributes = nil // not written
		}
		again, err := decodeState(slow.encode())
		if err != nil || !reflect.DeepEqual(again, slow) {
			t.Fatalf("%+v reads as %+v, %v", slow, again, err)
		}
	})
}
