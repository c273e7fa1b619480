package linearizability

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const goodHeader = `{"schema":"lockproof.history/v1"}` + "\n"

func TestReadNamesTheLineAndWhatIsWrongWithIt(t *testing.T) {
	const event = `{"at":1,"client":0,"process":0,"op":"acquire","phase":"invoke","lock":"a"}`
	for _, test := range []struct{ name, file, says string }{
		{"empty", "", "line 1: empty: no header"},
		{"not JSON", "at,client\n", "line 1: not a header"},
		{"another version", `{"schema":"lockproof.history/v2"}` + "\n", `line 1: schema is "lockproof.history/v2"; this reads "lockproof.history/v1"`},
		{"no schema", `{"ttl":"1s"}` + "\n", `line 1: schema is ""`},
		{"unknown parameter", `{"schema":"lockproof.history/v1","lease":"1s"}` + "\n", `line 1: json: unknown field "lease"`},
		{"ttl is no duration", `{"schema":"lockproof.history/v1","ttl":"soon"}` + "\n", "line 1: "},
		{"negative ttl", `{"schema":"lockproof.history/v1","ttl":"-1s"}` + "\n", "line 1: ttl -1s is out of range"},
		{"absurd bound", `{"schema":"lockproof.history/v1","ttl":"87600h","liveness_ttls":999999}` + "\n", "line 1: liveness_ttls 999999 x ttl"},
		{"pause ends before it starts", `{"schema":"lockproof.history/v1","faulty":[{"client":0,"from":"2s","to":"1s"}]}` + "\n", "line 1: faulty interval of client 0"},
		{"cut inside a line", goodHeader + event[:30], "line 2: truncated: the file ends inside a line"},
		{"cut between lines", `{"schema":"lockproof.history/v1","events":3}` + "\n" + event + "\n", "line 2: the header announces 3 events and the file ends after 1: truncated"},
		{"more than announced", `{"schema":"lockproof.history/v1","events":0}` + "\n" + event + "\n", "the header announces 0 events and the file has 1"},
		{"blank line", goodHeader + "\n", "line 2: not a complete JSON object"},
		{"unknown field", goodHeader + `{"at":1,"op":"acquire","phase":"invoke","lock":"a","color":"red"}` + "\n", `line 2: json: unknown field "color"`},
		{"unknown op", goodHeader + event + "\n" + strings.Replace(event, "acquire", "steal", 1) + "\n", `line 3: unknown op "steal"`},
		{"unknown phase", goodHeader + strings.Replace(event, "invoke", "begin", 1) + "\n", `line 2: unknown phase "begin"`},
		{"unknown mode", goodHeader + strings.Replace(event, `"lock"`, `"mode":"upgrade","lock"`, 1) + "\n", `line 2: unknown mode "upgrade"`},
		{"negative time", goodHeader + strings.Replace(event, `"at":1`, `"at":-1`, 1) + "\n", "line 2: time -1 is out of range"},
		{"absurd time", goodHeader + strings.Replace(event, `"at":1`, `"at":9000000000000000000`, 1) + "\n", "line 2: time 9000000000000000000 is out of range"},
		{"absurd client", goodHeader + strings.Replace(event, `"client":0`, `"client":99999999`, 1) + "\n", "line 2: client 99999999 is out of range"},
		{"time is text", goodHeader + strings.Replace(event, `"at":1`, `"at":"1"`, 1) + "\n", "line 2: json: cannot unmarshal"},
		{"two values", goodHeader + event + event + "\n", "line 2: more than one JSON value"},
		{"no lock", goodHeader + strings.Replace(event, `"lock":"a"`, `"lock":""`, 1) + "\n", "line 2: no lock is named"},
		{"grant on an invoke", goodHeader + strings.Replace(event, `"lock"`, `"grant":1,"lock"`, 1) + "\n", "line 2: acquire invoke with grant 1"},
		{"holder on an invoke", goodHeader + strings.Replace(event, `"lock"`, `"holder":1,"lock"`, 1) + "\n", "line 2: acquire invoke names a holder"},
		{"no time", goodHeader + strings.Replace(event, `"at":1,`, "", 1) + "\n", "line 2: at is missing"},
		{"no client", goodHeader + strings.Replace(event, `"client":0,`, "", 1) + "\n", "line 2: client is missing"},
		{"no process", goodHeader + strings.Replace(event, `"process":0,`, "", 1) + "\n", "line 2: process is missing"},
		{"a key twice", goodHeader + strings.Replace(event, `"client":0`, `"client":0,"client":1`, 1) + "\n", `line 2: "client" stands there twice`},
		{"a key twice but for its case", goodHeader + strings.Replace(event, `"at":1`, `"at":1,"AT":2`, 1) + "\n", `line 2: "AT" stands there twice`},
		{"a parameter twice", `{"schema":"lockproof.history/v1","ttl":"1s","ttl":"2s"}` + "\n", `line 1: "ttl" stands there twice`},
		{"a key twice inside", `{"schema":"lockproof.history/v1","faulty":[{"client":0,"from":"1s","from":"2s","to":"3s"}]}` + "\n", `line 1: "from" stands there twice`},
		{"end before the last event", `{"schema":"lockproof.history/v1","end":"1ns"}` + "\n" + event + "\n" + strings.Replace(event, `"at":1,"client":0,"process":0`, `"at":2,"client":1,"process":1`, 1) + "\n",
			"line 3: the event is at 2ns, after the end that the header gives: 1ns"},
		{"lock is no UTF-8", goodHeader + event + "\n" + strings.Replace(event, `"lock":"a"`, "\"lock\":\"a\xff\"", 1) + "\n", `line 3: the lock's name is not UTF-8: "\"a\xff\""`},
		{"lock has a lone surrogate", goodHeader + strings.Replace(event, `"lock":"a"`, `"lock":"a\ud800"`, 1) + "\n", `line 2: the lock's name has half a surrogate pair: "a\ud800"`},
		{"surrogates in the wrong order", goodHeader + strings.Replace(event, `"lock":"a"`, `"lock":"\udc00\ud800"`, 1) + "\n", "line 2: the lock's name has half a surrogate pair"},
		{"promises in the old way and the new", `{"schema":"lockproof.history/v1","tokens":true,"promises":{"release":"held"}}` + "\n", "line 1: promises_notice and tokens belong inside promises"},
		{"unknown proof", `{"schema":"lockproof.history/v1","promises":{"release":"maybe"}}` + "\n", `line 1: release proves "maybe"`},
		{"negative promise", `{"schema":"lockproof.history/v1","promises":{"release":"held","call_limit":"-1s"}}` + "\n", "line 1: promises: call_limit -1s is out of range"},
		{"stall ends before it starts", `{"schema":"lockproof.history/v1","stalls":[{"from":"2s","to":"1s"}]}` + "\n", "line 1: stall from 2s to 1s makes no sense"},
		{"too long a line", goodHeader + `{"detail":"` + strings.Repeat("x", maxLine) + `"}` + "\n", "line 2: longer than 1048576 bytes"},
	} {
		_, _, err := Read(strings.NewReader(test.file))
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v\nwant %s", test.name, err, test.says)
		}
	}
}

// The fast reader must agree with encoding/json wherever it does not decline.
func TestFastLinesAreReadAsTheSlowOnesAre(t *testing.T) {
	p, h := contended(3, 2000, 7)
	plain := text(p, h)
	// A space after each colon is beyond the fast reader.
	lines := strings.SplitAfter(plain, "\n")
	for i := 1; i < len(lines); i++ {
		lines[i] = strings.ReplaceAll(lines[i], `":`, `": `)
	}
	_, fast, err := Read(strings.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	_, slow, err := Read(strings.NewReader(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fast, slow); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff(h, fast); diff != "" {
		t.Fatal(diff)
	}
}

// Two names that JSON cannot tell apart must not become one lock.
func TestLockNamesThatAreNoTextAreNotWritten(t *testing.T) {
	h := History{{Client: 1, Op: OpAcquire, Phase: Invoke, Lock: "a\xff"}}
	var b bytes.Buffer
	if err := Write(&b, Params{}, h); err == nil || !strings.Contains(err.Error(), "line 2: the lock's name is not UTF-8") {
		t.Errorf("%v", err)
	}
}

func TestLockNamesKeepEveryPairOfSurrogates(t *testing.T) {
	for _, test := range []struct{ escaped, want string }{
		{`\ud83d\udd12`, "\U0001f512"}, {`\\ud800`, `\ud800`}, {`x\ud83d\udd12\ud83d\udd13`, "x\U0001f512\U0001f513"}, {"\ufffd", "\ufffd"},
	} {
		line := `{"at":1,"client":0,"process":0,"op":"acquire","phase":"invoke","lock":"` + test.escaped + `"}` + "\n"
		_, h, err := Read(strings.NewReader(goodHeader + line))
		if err != nil || h[0].Lock != test.want {
			t.Errorf("%s: %v, %v", test.escaped, h, err)
		}
	}
}

// A header from before there were promises means what it meant then.
func TestOldHeadersAreReadWithThePromisesOfTheirTime(t *testing.T) {
	expire := `{"at":1,"client":0,"process":0,"op":"acquire","phase":"invoke","lock":"a"}
{"at":2,"client":0,"process":0,"op":"acquire","phase":"ok","lock":"a","grant":1}
{"at":3,"client":0,"process":0,"op":"expire","phase":"info","lock":"a","grant":1}
`
	plain := Promises{ShortestLease: 9900 * time.Millisecond, ShortestBelief: 9800 * time.Millisecond,
		Release: ReleaseProvesHeld, NoRetake: true, EndIsFinal: true}
	told, fenced := plain, plain
	told.LossNotice, fenced.Tokens = true, true
	for _, test := range []struct {
		name, header, events string
		want                 Promises
	}{
		{"ttl alone", `"ttl":"10s","max_clock_drift_ppm":10000`, "", plain},
		{"tokens", `"ttl":"10s","max_clock_drift_ppm":10000,"tokens":true`, "", fenced},
		{"notice", `"ttl":"10s","max_clock_drift_ppm":10000,"promises_notice":true`, "", told},
		{"an end of validity", `"ttl":"10s","max_clock_drift_ppm":10000`, expire, told},
		{"no ttl", `"clients":3`, "", Promises{Release: ReleaseProvesHeld, NoRetake: true, EndIsFinal: true}},
		{"none", `"ttl":"10s","promises":{"release":"nothing"}`, expire, Promises{}},
	} {
		p, _, err := Read(strings.NewReader(`{"schema":"lockproof.history/v1",` + test.header + "}\n" + test.events))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, p.Promises); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestTextThatJSONCannotCarryIsReplaced(t *testing.T) {
	h := History{{Client: 1, Op: OpCrash, Phase: Info, Detail: "a\xffb\x00\u2028\"\\\n"}}
	_, got, err := Read(strings.NewReader(text(Params{}, h)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "a\ufffdb\x00\u2028\"\\\n"; got[0].Detail != want {
		t.Errorf("detail %q, want %q", got[0].Detail, want)
	}
}

// FuzzRead: whatever the bytes, Read returns, what it accepts it writes and reads
// again to the same, and the checkers take it.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(goodHeader))
	f.Add([]byte(`{"schema":"lockproof.history/v1","ttl":"1h2m3.000000004s","faulty":[{"client":3,"from":"1ns","to":"2ns"}]}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, h, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		again := text(p, h)
		p2, h2, err := Read(strings.NewReader(again))
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v\n%s", err, again)
		}
		if diff := cmp.Diff(p, p2); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(h, h2); diff != "" {
			t.Fatal(diff)
		}
		if len(h) <= 64 {
			judge(t, p, h)
		}
	})
}
