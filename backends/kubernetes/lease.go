package kubernetes

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"unicode/utf8"

	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/lock"
)

// Annotations and the label of a Lease that keeps a record.
const (
	// annotationLock is the lock's name, quoted as in Go.
	annotationLock = "lockproof.dev/lock"
	// annotationRecord is the record, if it is text.
	annotationRecord = "lockproof.dev/record"
	// annotationRecordBase64 is the record, if it is not.
	annotationRecordBase64 = "lockproof.dev/record-base64"
	// annotationWrite differs with each write, because the server does not
	// count a write that changes nothing as a new version.
	annotationWrite = "lockproof.dev/write"
	// labelLayout is what the watch selects by.
	labelLayout      = "lockproof.dev/layout"
	labelLayoutLease = "lease"
)

// maxAnnotations is the limit of the server for all annotations of an object,
// keys and values together, in bytes (TotalAnnotationSizeLimitB).
const maxAnnotations = 256 << 10

const (
	typeJSON       = "application/json"
	typeMergePatch = "application/merge-patch+json"
	typeJSONPatch  = "application/json-patch+json"
)

// Config of a Store of Leases.
type Config struct {
	// Namespace is where the Leases are. It must exist. Required.
	Namespace string
	// Unchecked spares Open its look at the namespace and the permissions,
	// which takes five requests.
	Unchecked bool
}

// leases is the layout of one Lease for each lock.
type leases struct {
	api       *api
	namespace string
	path      string // of the collection
	mirror    *mirror
}

// Open returns a Store that keeps each lock in a Lease of its own. The server,
// the user and the certificates are those of config, which is copied; its
// timeouts, rate limit and choice of protocol are not used (see the package's
// failure model).
//
// It needs the verbs get, create, patch, delete, list and watch on leases
// (coordination.k8s.io) in the namespace. It tries all but watch without
// changing anything, and fails with lock.ErrRefused if the namespace is missing
// or one of them is forbidden; other errors are those of the requests, which
// ctx bounds.
func Open(ctx context.Context, config *rest.Config, options Config) (*Store, error) {
	if problem := checkNamespace("Config.Namespace", options.Namespace); problem != nil {
		return nil, fmt.Errorf("kubernetes: %w", problem)
	}
	a, err := connect(config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	l := &leases{
		api:       a,
		namespace: options.Namespace,
		path:      "/apis/coordination.k8s.io/v1/namespaces/" + options.Namespace + "/leases",
		mirror:    newMirror(),
	}
	if !options.Unchecked {
		if err := l.checkAccess(ctx); err != nil {
			a.closeIdle()
			return nil, fmt.Errorf("kubernetes: %v at %s: %w", l, config.Host, err)
		}
	}
	return newStore(a, l), nil
}

// checkNamespace is also there because the name becomes a part of a path.
func checkNamespace(what, namespace string) error {
	if len(namespace) > 63 || !subdomain(namespace) {
		return fmt.Errorf("%w: %s %q is not the name of a namespace", lock.ErrRefused, what, namespace)
	}
	return nil
}

// checkAccess tries what a lock needs on a Lease that does not exist, by dry
// runs.
func (l *leases) checkAccess(ctx context.Context) error {
	name := "lockproof-check"
	dry := map[string]string{"dryRun": "All"}
	body := map[string]any{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": map[string]any{"name": name}}
	for _, r := range []request{
		{verb: http.MethodPost, path: l.path, params: dry, contentType: typeJSON, body: body},
		{verb: http.MethodGet, path: l.path + "/" + name},
		{verb: http.MethodPatch, path: l.path + "/" + name, params: dry, contentType: typeMergePatch, body: map[string]any{}},
		{verb: http.MethodDelete, path: l.path + "/" + name, params: dry},
		{verb: http.MethodGet, path: l.path, params: map[string]string{"limit": "1"}, accept: acceptList},
	} {
		switch err := l.api.do(ctx, r, nil); {
		case err == nil, about(err, name) && code(err) != http.StatusForbidden:
		case code(err) == http.StatusNotFound:
			return fmt.Errorf("%w: create the namespace with `kubectl create namespace %s`: %w", lock.ErrRefused, l.namespace, err)
		case code(err) == http.StatusForbidden:
			return fmt.Errorf("%w; locks need the verbs get, create, patch, delete, list and watch on leases", err)
		default:
			return err
		}
	}
	return nil
}

func (l *leases) String() string { return fmt.Sprintf("leases of namespace %q", l.namespace) }

func (l *leases) capabilities() lock.Capabilities {
	return lock.Capabilities{Watch: true, RevisionOrder: true}
}

func (l *leases) watched() (path, selector, value string) {
	return l.path, "labelSelector", labelLayout + "=" + labelLayoutLease
}

func (l *leases) holder(key string) string { return objectName(key) }

func (l *leases) object(key string) string { return l.path + "/" + objectName(key) }

// check takes only what the server gives: a number that is not 0, which would
// mean "any version" to it.
func (l *leases) check(revision lock.Revision) error {
	n, err := strconv.ParseUint(string(revision), 10, 64)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != string(revision) {
		return fmt.Errorf("%w: %q is not a revision of this store", lock.ErrRefused, revision)
	}
	return nil
}

func (l *leases) get(ctx context.Context, key string) (lock.Record, error) {
	var o object
	err := l.api.do(ctx, request{verb: http.MethodGet, path: l.object(key)}, &o)
	if err != nil {
		return lock.Record{}, l.explain(err, key, "")
	}
	return l.read(&o, key)
}

func (l *leases) read(o *object, key string) (lock.Record, error) {
	if o == nil {
		return lock.Record{}, lock.ErrNotFound
	}
	annotations := o.Metadata.Annotations
	text, isText := annotations[annotationRecord]
	encoded, isBinary := annotations[annotationRecordBase64]
	if annotations[annotationLock] != quoteKey(key) || isText == isBinary || o.Metadata.ResourceVersion == "" {
		return lock.Record{}, l.foreign(key)
	}
	record := lock.Record{Value: []byte(text), Revision: lock.Revision(o.Metadata.ResourceVersion)}
	if isBinary {
		var err error
		if record.Value, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return lock.Record{}, l.foreign(key)
		}
	}
	return record, nil
}

func (l *leases) foreign(key string) error {
	return fmt.Errorf("%w: lease %q was written by something else: it needs the annotations %s=%s and %s; delete it, or use another name or namespace",
		lock.ErrRefused, objectName(key), annotationLock, quoteKey(key), annotationRecord)
}

func (l *leases) swap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	annotations, size := recordAnnotations(key, value)
	if size > maxAnnotations {
		return "", tooLarge(size)
	}
	metadata := map[string]any{
		"annotations": annotations,
		"labels":      map[string]string{labelLayout: labelLayoutLease},
	}
	spec, written := l.mirror.spec(key, value)
	body := map[string]any{"metadata": metadata, "spec": spec}
	r := request{verb: http.MethodPatch, path: l.object(key), contentType: typeMergePatch, body: body}
	if old == "" {
		body["apiVersion"], body["kind"], metadata["name"] = "coordination.k8s.io/v1", "Lease", objectName(key)
		r.verb, r.path, r.contentType = http.MethodPost, l.path, typeJSON
		maps.DeleteFunc(annotations, func(_ string, v any) bool { return v == nil }) // null would be "" there
	} else {
		metadata["resourceVersion"] = string(old)
	}
	var o object
	if err := l.api.do(ctx, r, &o); err != nil {
		return "", l.explain(err, key, old)
	}
	if o.Metadata.ResourceVersion == "" {
		return "", errors.New("the server's answer has no resourceVersion")
	}
	written()
	return lock.Revision(o.Metadata.ResourceVersion), nil
}

// recordAnnotations are set, or with nil removed, by a write.
func recordAnnotations(key string, value []byte) (annotations map[string]any, size int) {
	annotations = map[string]any{annotationLock: quoteKey(key), annotationWrite: rand.Text()}
	if utf8.Valid(value) {
		annotations[annotationRecord], annotations[annotationRecordBase64] = string(value), nil
	} else {
		annotations[annotationRecord], annotations[annotationRecordBase64] = nil, base64.StdEncoding.EncodeToString(value)
	}
	for name, value := range annotations {
		if text, ok := value.(string); ok {
			size += len(name) + len(text)
		}
	}
	return annotations, size
}

func tooLarge(size int) error {
	return fmt.Errorf("%w: the annotations would have %d bytes, more than the %d that an object may have", lock.ErrRefused, size, maxAnnotations)
}

func (l *leases) remove(ctx context.Context, key string, old lock.Revision) error {
	body := map[string]any{"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": map[string]any{"resourceVersion": string(old)}}
	err := l.api.do(ctx, request{verb: http.MethodDelete, path: l.object(key), contentType: typeJSON, body: body}, nil)
	if err != nil {
		err = l.explain(err, key, old)
		var conflict *lock.ConflictError
		if errors.As(err, &conflict) && conflict.Known {
			err = lock.ErrNotFound
		}
		return err
	}
	l.mirror.forget(key)
	return nil
}

// explain gives a meaning to the answers that classify left alone. A missing
// Lease is lock.ErrNotFound to a read (old is "") and a conflict to a write. A
// conflict about something else, such as a quota that others use up at the same
// time, was met before the Lease was touched.
func (l *leases) explain(err error, key string, old lock.Revision) error {
	switch mine := about(err, objectName(key)); code(err) {
	case http.StatusNotFound:
		switch {
		case !mine:
			return fmt.Errorf("%w: is there a namespace %q (`kubectl create namespace %s`)? %w", lock.ErrRefused, l.namespace, l.namespace, err)
		case old == "":
			return lock.ErrNotFound
		}
		return &lock.ConflictError{Known: true}
	case http.StatusConflict:
		if !mine {
			return fmt.Errorf("%w: %w", lock.ErrUnavailable, err)
		}
		return &lock.ConflictError{}
	case http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	}
	return err
}
