package linearizability

// table maps numbers that a run gives out (processes, grants) to positions. Runs
// number from a small start, so a slice serves; a history cut out of a larger one
// may not, and spills to a map.
type table struct {
	dense []int32 // position + 1
	rest  map[int64]int32
}

const denseLimit = 1 << 16

func (t *table) reset() {
	clear(t.dense)
	t.dense = t.dense[:0]
	t.rest = nil
}

func (t *table) get(id int64) (int32, bool) {
	if id < int64(len(t.dense)) {
		v := t.dense[id]
		return v - 1, v != 0
	}
	v, ok := t.rest[id]
	return v, ok
}

func (t *table) put(id int64, at int32) {
	if id < int64(len(t.dense)) {
		t.dense[id] = at + 1
		return
	}
	if id < denseLimit || id < 4*int64(len(t.dense)) {
		for int64(len(t.dense)) <= id {
			t.dense = append(t.dense, 0)
		}
		for k, v := range t.rest {
			if k < int64(len(t.dense)) {
				t.dense[k] = v + 1
				delete(t.rest, k)
			}
		}
		t.dense[id] = at + 1
		return
	}
	if t.rest == nil {
		t.rest = map[int64]int32{}
	}
	t.rest[id] = at
}
