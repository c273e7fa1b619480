package file

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/lockproof/lockproof/lock"
)

const (
	recordMagic = "lockproof-record"
	floorMagic  = "lockproof-floor"
	format      = "1"

	// maxFile is above the size of any file that this package writes.
	maxFile = maxValue + 4*maxKey + 256
)

var (
	errTorn    = errors.New("it is cut off or was changed")
	errForeign = errors.New("it is not a record of this store")
	errNewer   = errors.New("it has a newer format; update this program")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeRecord puts a line that an operator can read before the value:
//
//	lockproof-record 1 revision 1763715634000001 bytes 5 crc32c 0f8e3c21 key "team/report"
func encodeRecord(key string, record lock.Record) []byte {
	head := fmt.Appendf(nil, "%s %s revision %s bytes %d crc32c ", recordMagic, format, record.Revision, len(record.Value))
	tail := append(strconv.AppendQuote([]byte(" key "), key), '\n')
	tail = append(tail, record.Value...)
	sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, tail)
	data := make([]byte, 0, len(head)+8+len(tail))
	return append(fmt.Appendf(append(data, head...), "%08x", sum), tail...)
}

// decodeRecord takes only what encodeRecord gives.
func decodeRecord(data []byte) (key string, record lock.Record, err error) {
	head, value, ok := bytes.Cut(data, []byte("\n"))
	if err := checkMagic(string(head), recordMagic); err != nil {
		return "", lock.Record{}, err
	}
	fields := strings.SplitN(string(head), " ", 10)
	if !ok || len(fields) != 10 {
		return "", lock.Record{}, errTorn
	}
	revision, err := parseRevision(lock.Revision(fields[3]))
	if err != nil {
		return "", lock.Record{}, errTorn
	}
	if key, err = strconv.Unquote(fields[9]); err != nil {
		return "", lock.Record{}, errTorn
	}
	record = lock.Record{Value: bytes.Clone(value), Revision: formatRevision(revision)}
	if !bytes.Equal(encodeRecord(key, record), data) {
		return "", lock.Record{}, errTorn
	}
	return key, record, nil
}

func encodeFloor(floor uint64) []byte {
	return fmt.Appendf(nil, "%s %s revision %d\n", floorMagic, format, floor)
}

// decodeFloor takes only what encodeFloor gives.
func decodeFloor(data []byte) (uint64, error) {
	if err := checkMagic(string(data), floorMagic); err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data))
	if len(fields) != 4 {
		return 0, errTorn
	}
	floor, err := parseRevision(lock.Revision(fields[3]))
	if err != nil || !bytes.Equal(encodeFloor(floor), data) {
		return 0, errTorn
	}
	return floor, nil
}

// checkMagic tells apart what this package never wrote, what a later version of
// it wrote, and what may be whole.
func checkMagic(line, magic string) error {
	if line == "" {
		return errTorn
	}
	rest, ok := strings.CutPrefix(line, magic+" ")
	if !ok {
		return errForeign
	}
	version, _, _ := strings.Cut(rest, " ")
	if n, err := strconv.ParseUint(version, 10, 32); err == nil && strconv.FormatUint(n, 10) == version && n > 1 {
		return errNewer
	}
	if version != format {
		return errTorn
	}
	return nil
}

// parseRevision takes only what formatRevision gives for a number that is not 0.
func parseRevision(revision lock.Revision) (uint64, error) {
	n, err := strconv.ParseUint(string(revision), 10, 64)
	if err != nil || n == 0 || formatRevision(n) != revision {
		return 0, fmt.Errorf("%q is not a revision", revision)
	}
	return n, nil
}

func formatRevision(n uint64) lock.Revision {
	return lock.Revision(strconv.FormatUint(n, 10))
}
