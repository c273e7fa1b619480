package kubernetes

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/lockproof/lockproof/lock"
)

// Prefixes of the two annotations of a lock.
const (
	// prefixRecord is before the lock's name in the key of its record.
	prefixRecord = "lock.lockproof.dev/"
	// prefixRevision is before it in the key of the record's revision, whose
	// value ends with the lock's name, quoted as in Go.
	prefixRevision = "revision.lockproof.dev/"
)

// A revision starts with how its record is kept.
const (
	keptAsText   = 't'
	keptAsBase64 = 'b'
)

// patchTries is how often a patch is sent that the server turned down for
// reasons other than the lock's record, before that is reported. When the object
// changes under a patch, the server itself applies it to the next version.
const patchTries = 8

// AnnotationConfig of a Store in the annotations of one object.
type AnnotationConfig struct {
	// Resource is the object's kind, by its resource: {Group: "apps", Version:
	// "v1", Resource: "deployments"}. Required.
	Resource schema.GroupVersionResource
	// Namespace is the object's; empty if its kind has none.
	Namespace string
	// Name of the object, which must exist. Required.
	Name string
}

func (c AnnotationConfig) validate() error {
	r := c.Resource
	switch {
	case r.Version == "" || r.Resource == "" || c.Name == "":
		return fmt.Errorf("%w: AnnotationConfig needs a Name and a Resource with version and resource", lock.ErrRefused)
	case !subdomain(r.Version) || !subdomain(r.Resource) || r.Group != "" && !subdomain(r.Group):
		return fmt.Errorf("%w: AnnotationConfig.Resource %v cannot be a resource", lock.ErrRefused, r)
	case c.Name == "." || c.Name == ".." || strings.ContainsAny(c.Name, "/%"):
		return fmt.Errorf("%w: AnnotationConfig.Name %q cannot be the name of an object", lock.ErrRefused, c.Name)
	case c.Namespace != "":
		return checkNamespace("AnnotationConfig.Namespace", c.Namespace)
	}
	return nil
}

// collection is the path of all objects of the kind in the namespace.
func (c AnnotationConfig) collection() string {
	path := "/apis/" + c.Resource.Group + "/" + c.Resource.Version
	if c.Resource.Group == "" {
		path = "/api/" + c.Resource.Version
	}
	if c.Namespace != "" {
		path += "/namespaces/" + c.Namespace
	}
	return path + "/" + c.Resource.Resource
}

// annotations is the layout of many locks in one object.
type annotations struct {
	api    *api
	config AnnotationConfig
	uid    string
	// bare: the object had no annotations when it was last looked at. It decides
	// which patch is tried first, no more.
	bare atomic.Bool
}

// OpenAnnotations returns a Store that keeps locks in the annotations of one
// object, which must exist. The configuration is used as by Open.
//
// It needs the verbs get, patch, list and watch on the object; resourceNames
// may limit them to its name. It tries all but watch without changing
// anything, and fails with lock.ErrRefused if the object is missing or one of
// them is forbidden; other errors are those of the requests, which ctx bounds.
//
// All locks of the object share its limit of 256 KiB of annotations, and each
// write is a new version of the whole object, which everybody who watches it is
// sent: for more than a few locks, use Open.
func OpenAnnotations(ctx context.Context, config *rest.Config, options AnnotationConfig) (*Store, error) {
	if err := options.validate(); err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	a, err := connect(config)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	l := &annotations{api: a, config: options}
	if err := l.checkAccess(ctx); err != nil {
		a.closeIdle()
		return nil, fmt.Errorf("kubernetes: %v at %s: %w", l, config.Host, err)
	}
	return newStore(a, l), nil
}

// checkAccess notes the object's uid, and tries what a lock needs.
func (l *annotations) checkAccess(ctx context.Context) error {
	var o object
	if err := l.api.do(ctx, request{verb: http.MethodGet, path: l.path()}, &o); err != nil {
		return l.explain(err)
	}
	l.uid = o.Metadata.UID
	if l.uid == "" {
		return fmt.Errorf("%w: it has no uid", lock.ErrRefused)
	}
	_, selector, value := l.watched()
	for _, r := range []request{
		{verb: http.MethodPatch, path: l.path(), params: map[string]string{"dryRun": "All"}, contentType: typeJSONPatch, body: l.ours()},
		{verb: http.MethodGet, path: l.config.collection(), params: map[string]string{selector: value}, accept: acceptList},
	} {
		if err := l.api.do(ctx, r, nil); err != nil {
			return l.explain(err)
		}
	}
	return nil
}

func (l *annotations) path() string { return l.config.collection() + "/" + l.config.Name }

func (l *annotations) String() string {
	name := l.config.Name
	if l.config.Namespace != "" {
		name = l.config.Namespace + "/" + name
	}
	return fmt.Sprintf("annotations of %s %q", l.config.Resource.GroupResource(), name)
}

func (l *annotations) capabilities() lock.Capabilities {
	return lock.Capabilities{Watch: true, ConflictReturnsCurrent: true}
}

func (l *annotations) watched() (path, selector, value string) {
	return l.config.collection(), "fieldSelector", "metadata.name=" + l.config.Name
}

func (l *annotations) holder(string) string { return l.config.Name }

func (l *annotations) check(revision lock.Revision) error {
	if len(revision) < 2 || revision[0] != keptAsText && revision[0] != keptAsBase64 || !qualified(string(revision)) {
		return fmt.Errorf("%w: %q is not a revision of this store", lock.ErrRefused, revision)
	}
	return nil
}

func (l *annotations) get(ctx context.Context, key string) (lock.Record, error) {
	o, err := l.look(ctx)
	if err != nil {
		return lock.Record{}, err
	}
	return l.read(o, key)
}

// look reads the object, by a quorum read.
func (l *annotations) look(ctx context.Context) (*object, error) {
	o := new(object)
	if err := l.api.do(ctx, request{verb: http.MethodGet, path: l.path()}, o); err != nil {
		return nil, l.explain(err)
	}
	l.bare.Store(len(o.Metadata.Annotations) == 0)
	return o, nil
}

// read finds key's record. Without the object there is no telling: what it knew
// of holders and tokens is gone.
func (l *annotations) read(o *object, key string) (lock.Record, error) {
	switch {
	case o == nil:
		return lock.Record{}, fmt.Errorf("%w: the object is gone, and its locks with it", lock.ErrRefused)
	case o.Metadata.UID != l.uid:
		return lock.Record{}, fmt.Errorf("%w: the object was deleted and made anew, and its locks are gone; make sure that nobody holds one, and open it again", lock.ErrRefused)
	}
	name := annotationName(key)
	kept, hasRecord := o.Metadata.Annotations[prefixRecord+name]
	stamp, hasStamp := o.Metadata.Annotations[prefixRevision+name]
	if !hasRecord && !hasStamp {
		return lock.Record{}, lock.ErrNotFound
	}
	text, quoted, _ := strings.Cut(stamp, " ")
	revision := lock.Revision(text)
	if !hasRecord || quoted != quoteKey(key) || l.check(revision) != nil {
		return lock.Record{}, foreignAnnotation(name)
	}
	value := []byte(kept)
	if revision[0] == keptAsBase64 {
		var err error
		if value, err = base64.StdEncoding.DecodeString(kept); err != nil {
			return lock.Record{}, foreignAnnotation(name)
		}
	}
	return lock.Record{Value: value, Revision: revision}, nil
}

func foreignAnnotation(name string) error {
	return fmt.Errorf("%w: the annotations %s%s and %s%s were not written together by this package; remove both, or use another name",
		lock.ErrRefused, prefixRecord, name, prefixRevision, name)
}

// stamp is the value of the annotation that holds a revision.
func stamp(revision lock.Revision, key string) string {
	return string(revision) + " " + quoteKey(key)
}

func (l *annotations) swap(ctx context.Context, key string, old lock.Revision, value []byte) (lock.Revision, error) {
	revision, kept := lock.Revision(string(keptAsText)+rand.Text()), string(value)
	if !utf8.Valid(value) {
		revision, kept = lock.Revision(string(keptAsBase64)+rand.Text()), base64.StdEncoding.EncodeToString(value)
	}
	name := annotationName(key)
	set := map[string]string{prefixRecord + name: kept, prefixRevision + name: stamp(revision, key)}
	size := len(prefixRecord) + len(prefixRevision) + 2*len(name) + len(kept) + len(stamp(revision, key))
	if size > maxAnnotations {
		return "", tooLarge(size)
	}
	err := l.patch(ctx, key, old, func() []operation {
		ops := append(l.ours(), testStamp(name, old, key))
		if old == "" && l.bare.Load() {
			return append(l.ours(), operation{Op: "test", Path: annotationsPath}, operation{Op: "add", Path: annotationsPath, Value: set})
		}
		for _, prefix := range []string{prefixRecord, prefixRevision} {
			ops = append(ops, operation{Op: "add", Path: pointer(prefix + name), Value: set[prefix+name]})
		}
		return ops
	})
	if err != nil {
		return "", err
	}
	l.bare.Store(false)
	return revision, nil
}

func (l *annotations) remove(ctx context.Context, key string, old lock.Revision) error {
	name := annotationName(key)
	err := l.patch(ctx, key, old, func() []operation {
		return append(l.ours(), testStamp(name, old, key),
			operation{Op: "remove", Path: pointer(prefixRecord + name)},
			operation{Op: "remove", Path: pointer(prefixRevision + name)})
	})
	var conflict *lock.ConflictError
	if errors.As(err, &conflict) && conflict.Current.Revision == "" {
		return lock.ErrNotFound
	}
	return err
}

// operation is one of a JSON patch (RFC 6902). A test for null passes if there
// is nothing.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

const annotationsPath = "/metadata/annotations"

// pointer is the path of an annotation (RFC 6901).
func pointer(annotation string) string {
	return annotationsPath + "/" + strings.ReplaceAll(annotation, "/", "~1")
}

// ours tests that the object is the one that was opened.
func (l *annotations) ours() []operation {
	return []operation{{Op: "test", Path: "/metadata/uid", Value: l.uid}}
}

// testStamp tests that key's revision is old, or that there is none.
func testStamp(name string, old lock.Revision, key string) operation {
	op := operation{Op: "test", Path: pointer(prefixRevision + name)}
	if old != "" {
		op.Value = stamp(old, key)
	}
	return op
}

// patch sends what next makes until the server applies it or the record shows
// why it does not. A patch that was turned down (422: a test failed, or a part
// of the path was missing; 409: the object changed meanwhile) was not applied. If
// the record is then still the one named, the reason lay elsewhere in the object
// and may have passed.
func (l *annotations) patch(ctx context.Context, key string, old lock.Revision, next func() []operation) error {
	for try := 1; ; try++ {
		err := l.api.do(ctx, request{verb: http.MethodPatch, path: l.path(), contentType: typeJSONPatch, body: next()}, nil)
		status := code(err)
		switch {
		case err == nil:
			return nil
		case invalid(err):
			return fmt.Errorf("%w: %w", lock.ErrRefused, err)
		case status != http.StatusUnprocessableEntity && status != http.StatusConflict:
			return l.explain(err)
		}
		current, readErr := l.get(ctx, key)
		switch {
		case readErr != nil && !errors.Is(readErr, lock.ErrNotFound):
			return notApplied(readErr)
		case current.Revision != old:
			return &lock.ConflictError{Current: current, Known: true}
		case try == patchTries && status == http.StatusConflict:
			return fmt.Errorf("%w: the object changes all the time: %w", lock.ErrUnavailable, err)
		case try == patchTries:
			return fmt.Errorf("%w: %w", lock.ErrRefused, err)
		}
	}
}

// notApplied gives a class to the error of the look that followed a write that
// was turned down.
func notApplied(err error) error {
	if lock.Definite(err) {
		return err
	}
	return fmt.Errorf("%w: %w", lock.ErrUnavailable, err)
}

// explain gives a meaning to the answers that classify left alone. What is
// missing is the object, its namespace or its kind.
func (l *annotations) explain(err error) error {
	switch code(err) {
	case http.StatusNotFound:
		return fmt.Errorf("%w: there is no such object; locks live in an object that exists, create it first: %w", lock.ErrRefused, err)
	case http.StatusForbidden:
		return fmt.Errorf("%w; locks need the verbs get, patch, list and watch on the object", err)
	case http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", lock.ErrRefused, err)
	case http.StatusConflict:
		return fmt.Errorf("%w: %w", lock.ErrUnavailable, err)
	}
	return err
}
