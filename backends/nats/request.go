package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockproof/lockproof/lock"
)

// entry is the last message of a key. The zero entry, which counts as deleted
// in what last returns, is a key without any message.
type entry struct {
	sequence uint64
	deleted  bool
	value    []byte
}

func (e entry) record() lock.Record {
	return lock.Record{Value: e.value, Revision: formatRevision(e.sequence)}
}

// prepare refuses what must not be sent: an ended context, a key that has no
// subject, and anything at all while there is no connection. All is definite.
func (s *Store) prepare(ctx context.Context, key string) (name string, err error) {
	if name, err = encodeKey(key); err != nil {
		return "", err
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("%w: %w", lock.ErrUnavailable, lock.CauseOf(ctx))
	}
	return name, s.connected()
}

// connected is nil if a message would go out now. Otherwise the client library
// would keep it, and send it when nobody expects it any more.
func (s *Store) connected() error {
	switch status := s.conn.Status(); status {
	case natsgo.CONNECTED, natsgo.DRAINING_SUBS:
		return nil
	case natsgo.CLOSED, natsgo.DRAINING_PUBS:
		return fmt.Errorf("%w: %w", lock.ErrRefused, natsgo.ErrConnectionClosed)
	default:
		return fmt.Errorf("%w: the connection is %s", lock.ErrUnavailable, status)
	}
}

// write publishes one message and returns its sequence. Without an option that
// names an expected sequence it is unconditional.
func (s *Store) write(ctx context.Context, name string, header natsgo.Header, value []byte, options ...jetstream.PublishOpt) (uint64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	message := &natsgo.Msg{Subject: s.publish + name, Header: header, Data: value}
	// Without responders nothing was written; the library would wait and try
	// again, and report a timeout if ctx ends meanwhile.
	options = append(options, jetstream.WithRetryAttempts(0), jetstream.WithExpectStream(s.stream))
	ack, err := s.js.PublishMsg(ctx, message, options...)
	if err != nil {
		return 0, writeError(ctx, err)
	}
	return ack.Sequence, nil
}

// underWayPause is how long swap waits for a write that is under way, doubled
// each time; in all it waits for a quarter of a second.
const (
	underWayPause = time.Millisecond
	underWayTries = 9
)

// swap is write on the condition that the last message of name has the sequence
// expected.
//
// In a cluster the leader acknowledges a write a moment before it forgets that
// it is under way, and turns down the next one, though that names the right
// sequence. It says the same while somebody else's write is on its way to the
// followers. Nothing was proposed, so it is safe to try again:
//
//	write(7) -> under way -> last message: 8 -> conflict
//	                                       7 -> wait, write(7)
func (s *Store) swap(ctx context.Context, name string, header natsgo.Header, value []byte, expected uint64) (uint64, error) {
	pause := underWayPause
	for try := 1; ; try++ {
		sequence, err := s.write(ctx, name, header, value, jetstream.WithExpectLastSequencePerSubject(expected))
		if !errors.Is(err, errUnderWay) || try == underWayTries {
			return sequence, err
		}
		e, readErr := s.last(ctx, name)
		switch {
		case readErr != nil:
			return 0, notWritten(readErr)
		case e.sequence != expected:
			return 0, fmt.Errorf("%w (the last sequence is %d)", &lock.ConflictError{}, e.sequence)
		}
		select {
		case <-ctx.Done():
			return 0, notWritten(lock.CauseOf(ctx))
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// create writes name if it has no record. The server compares sequences of
// messages, and a delete marker is a message, so the marker's sequence must be
// named to write over it. Each failed attempt is definite; only the last one's
// outcome counts.
//
//	create(0) -> wrong last sequence -> last message: a record -> conflict
//	                                                  a marker -> create(marker)
//
// If the marker is the one just named, the conflict was with a write that has
// come to nothing since.
func (s *Store) create(ctx context.Context, name string, value []byte) (uint64, error) {
	var expected uint64
	for {
		sequence, err := s.swap(ctx, name, natsgo.Header{}, value, expected)
		if !errors.Is(err, lock.ErrConflict) {
			return sequence, err
		}
		e, readErr := s.last(ctx, name)
		switch {
		case readErr != nil:
			return 0, notWritten(readErr)
		case !e.deleted || e.sequence == expected:
			return 0, err
		case ctx.Err() != nil:
			return 0, notWritten(lock.CauseOf(ctx))
		}
		expected = e.sequence
	}
}

// whyNotDeleted tells a missing key from one with another revision.
func (s *Store) whyNotDeleted(ctx context.Context, name string, conflict error) error {
	e, err := s.last(ctx, name)
	switch {
	case err != nil:
		return notWritten(err)
	case e.deleted:
		return lock.ErrNotFound
	}
	return conflict
}

// notWritten is for a write that was turned down for a reason that could not
// be found out. It must not pass on a cause that claims more.
func notWritten(err error) error {
	return fmt.Errorf("%w: turned down, and reading why failed: %w", lock.ErrUnavailable, err)
}

// getResponse is the answer of the API's STREAM.MSG.GET.
type getResponse struct {
	Error   *jetstream.APIError `json:"error"`
	Message *struct {
		Sequence uint64 `json:"seq"`
		Header   []byte `json:"hdrs"`
		Data     []byte `json:"data"`
	} `json:"message"`
}

// last reads the last message of name from the stream's leader. A name without
// any message is an entry with sequence 0 that is deleted. The library's own
// Get would ask any replica where the bucket allows direct gets, which is how
// `nats kv add` makes buckets.
func (s *Store) last(ctx context.Context, name string) (entry, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	request, err := json.Marshal(map[string]string{"last_by_subj": s.stored + name})
	if err != nil {
		return entry{}, err
	}
	answer, err := s.conn.RequestWithContext(ctx, s.get, request)
	if err != nil {
		return entry{}, readError(ctx, err)
	}
	var response getResponse
	if err := json.Unmarshal(answer.Data, &response); err != nil {
		return entry{}, fmt.Errorf("unreadable answer: %w", err)
	}
	switch {
	case response.Error != nil && response.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return entry{deleted: true}, nil
	case response.Error != nil:
		return entry{}, readError(ctx, response.Error)
	case response.Message == nil:
		return entry{}, errors.New("unreadable answer: neither message nor error")
	}
	header, err := decodeHeader(response.Message.Header)
	if err != nil {
		return entry{}, fmt.Errorf("unreadable answer: %w", err)
	}
	return entry{
		sequence: response.Message.Sequence,
		deleted:  marksDeletion(header),
		value:    response.Message.Data,
	}, nil
}

func decodeHeader(encoded []byte) (natsgo.Header, error) {
	if len(encoded) == 0 {
		return nil, nil
	}
	return natsgo.DecodeHeadersMsg(encoded)
}

// marksDeletion: by a client (KV-Operation) or by the server, when a limit
// removed the record (Nats-Marker-Reason).
func marksDeletion(header natsgo.Header) bool {
	switch header.Get(headerOperation) {
	case operationDelete, operationPurge:
		return true
	}
	return header.Get(jetstream.MarkerReasonHeader) != ""
}

// bounded gives ctx a deadline if it has none.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, requestTimeout, errNoAnswer)
}
