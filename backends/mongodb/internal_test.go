package mongodb

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lockproof/lockproof/lock"
)

func TestRevisionsNeverRepeatAndAreOrderedInOneLife(t *testing.T) {
	first := firstRevision()
	second, rival, other := first.next(), first.next(), firstRevision()
	if second == rival {
		t.Error("two writes have the same revision")
	}
	for _, c := range []struct {
		a, b         revision
		newer, known bool
	}{
		{second, first, true, true},
		{first, second, false, true},
		{first, first, false, true},
		{other, second, false, false},
		{revision{}, second, false, false},
		{second, revision{}, true, false},
		{revision{}, revision{}, false, false},
	} {
		newer, known := c.a.supersedes(c.b)
		if known != c.known || known && newer != c.newer {
			t.Errorf("%v after %v: %v, known %v", c.a, c.b, newer, known)
		}
	}
}

func FuzzRevision(f *testing.F) {
	for _, s := range []string{firstRevision().next().String(), "", "1", "--", "ABCDEFGHIJKLM-18446744073709551615-ABCDEFGHIJKLMNOPQRSTUVWXYZ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseRevision(s)
		if err != nil {
			if !errors.Is(err, lock.ErrRefused) {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if r.String() != s {
			t.Errorf("%q is read as %q", s, r)
		}
		if newer, known := r.next().supersedes(r); !newer || !known {
			t.Errorf("what follows %q does not come after it", s)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, value := range [][]byte{nil, []byte("{}"), {0xff}} {
		good, err := bson.Marshal(encode("k", firstRevision(), value))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(good)
	}
	f.Add([]byte{5, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, document []byte) {
		v, err := decode(document)
		if err != nil {
			if !errors.Is(err, lock.ErrRefused) {
				t.Error(err)
			}
			return
		}
		again, err := bson.Marshal(encode("k", v.revision, v.value))
		if err != nil {
			t.Fatal(err)
		}
		if w, err := decode(again); err != nil || w.name() != v.name() || string(w.value) != string(v.value) {
			t.Errorf("%v became %v, %v", v, w, err)
		}
	})
}

// These are answers as MongoDB's documentation shows them, from a server that
// does not run here.
func TestCollectionsAreJudgedByTheirDescription(t *testing.T) {
	o := func(e ...bson.E) bson.D { return e }
	for _, c := range []struct {
		name           string
		kind           string
		options        bson.D
		unfit, forgets string
	}{
		{"plain", "collection", o(), "", ""},
		{"view", "view", o(bson.E{Key: "viewOn", Value: "x"}), "it is a view", ""},
		{"time series", "timeseries", o(bson.E{Key: "expireAfterSeconds", Value: int64(60)}), "it is a timeseries", "expire"},
		{"capped", "collection", o(bson.E{Key: "capped", Value: true}, bson.E{Key: "size", Value: 4096}), "", "capped"},
		{"clustered, expires", "collection", o(bson.E{Key: "expireAfterSeconds", Value: int64(0)}), "", "expire"},
		{"collation", "collection", o(bson.E{Key: "collation", Value: bson.D{{Key: "locale", Value: "en"}, {Key: "strength", Value: 2}}}), `collation "en"`, ""},
		{"simple collation", "collection", o(bson.E{Key: "collation", Value: bson.D{{Key: "locale", Value: "simple"}}}), "", ""},
	} {
		document, err := bson.Marshal(bson.D{{Key: "name", Value: "locks"}, {Key: "type", Value: c.kind}, {Key: "options", Value: c.options}})
		if err != nil {
			t.Fatal(err)
		}
		var d description
		if err := bson.Unmarshal(document, &d); err != nil {
			t.Fatal(err)
		}
		refuses(t, c.name, d.unfit(), c.unfit)
		refuses(t, c.name, d.forgets(), c.forgets)
	}
}

func refuses(t *testing.T, what string, err error, says string) {
	t.Helper()
	if (err == nil) != (says == "") || err != nil && (!errors.Is(err, lock.ErrRefused) || !strings.Contains(err.Error(), says)) {
		t.Errorf("%s: want %q, got %v", what, says, err)
	}
}

func TestShardKeysAreJudged(t *testing.T) {
	for says, key := range map[string]bson.D{
		"":                {{Key: "_id", Value: "hashed"}},
		"its shard key":   {{Key: "region", Value: 1}},
		"its shard key {": {{Key: "region", Value: 1}, {Key: "_id", Value: 1}},
	} {
		document, err := bson.Marshal(bson.D{{Key: "_id", Value: "d.locks"}, {Key: "key", Value: key}})
		if err != nil {
			t.Fatal(err)
		}
		refuses(t, says, shardKeyFits(document), says)
	}
}

func TestReadConcernsFollowTheServer(t *testing.T) {
	for want, s := range map[string][]server{
		"local":        {{}},
		"linearizable": {{SetName: "rs0"}, {Msg: "isdbgrid"}},
	} {
		for _, s := range s {
			if got := s.readLevel(); got != want {
				t.Errorf("%+v: %q", s, got)
			}
		}
	}
}

var errIndefinite = errors.New("indefinite")

func TestErrorsAreClassified(t *testing.T) {
	command := func(code int32) error { return mongo.CommandError{Code: code, Message: "says the server"} }
	write := func(code int, more bson.D) error {
		raw, err := bson.Marshal(more)
		if err != nil {
			t.Fatal(err)
		}
		return mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: code, Raw: raw}}}
	}
	concern := mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 64}}
	index := func(field string) bson.D {
		return bson.D{{Key: "keyPattern", Value: bson.D{{Key: field, Value: 1}}}}
	}
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"no permission", command(13), lock.ErrRefused},
		{"log-in failed", command(18), lock.ErrRefused},
		{"a view", command(166), lock.ErrRefused},
		{"not primary", command(10107), errIndefinite},
		{"not primary, slave not ok", command(13435), errIndefinite},
		{"stepped down", command(189), errIndefinite},
		{"interrupted", command(11602), errIndefinite},
		{"out of time", command(50), errIndefinite},
		{"unknown code", command(424242), errIndefinite},
		{"network", mongo.CommandError{Labels: []string{"NetworkError"}, Wrapped: io.ErrUnexpectedEOF}, errIndefinite},
		{"duplicate", write(11000, bson.D{}), lock.ErrConflict},
		{"duplicate _id", write(11000, index("_id")), lock.ErrConflict},
		{"duplicate of another index", write(11000, index("value")), lock.ErrRefused},
		{"validation", write(121, bson.D{}), lock.ErrRefused},
		{"too large", write(10334, bson.D{}), lock.ErrRefused},
		{"a shard is away", write(6, bson.D{}), errIndefinite},
		{"write concern", concern, errIndefinite},
		{"connection", io.EOF, errIndefinite},
		{"context", context.DeadlineExceeded, errIndefinite},
		{"disconnected", mongo.ErrClientDisconnected, lock.ErrUnavailable},
	} {
		got := classify(t.Context(), c.err)
		if c.want == errIndefinite && lock.Definite(got) || c.want != errIndefinite && !errors.Is(got, c.want) {
			t.Errorf("%s: want %q, got %v", c.name, c.want, got)
		}
		for _, other := range []error{lock.ErrConflict, lock.ErrNotFound, lock.ErrUnavailable, lock.ErrRefused} {
			if other != c.want && errors.Is(got, other) {
				t.Errorf("%s: also %q: %v", c.name, other, got)
			}
		}
	}
}

// The cause of a context's end may be an error of another request, which says
// nothing about this one.
func TestADefiniteCauseDoesNotMakeAWriteDefinite(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(lock.ErrRefused)
	if err := classify(ctx, io.EOF); lock.Definite(err) || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}
