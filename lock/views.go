package lock

// viewCacheSize bounds how many locks a client remembers. What is forgotten
// costs one more read, and for a dead holder one more lease.
const viewCacheSize = 4096

// viewCache remembers the last view of each lock, the oldest forgotten first.
// The zero value is ready.
type viewCache struct {
	byName map[string]*view
	order  []string // a ring once it is full
	next   int
}

func (c *viewCache) get(name string) *view { return c.byName[name] }

func (c *viewCache) put(name string, v *view) {
	if c.byName == nil {
		c.byName = map[string]*view{}
	}
	if _, known := c.byName[name]; !known {
		if len(c.order) < viewCacheSize {
			c.order = append(c.order, name)
		} else {
			delete(c.byName, c.order[c.next])
			c.order[c.next] = name
			c.next = (c.next + 1) % viewCacheSize
		}
	}
	c.byName[name] = v
}

func (c *Client) remembered(name string) *view {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.views.get(name)
}

func (c *Client) remember(name string, v *view) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.views.put(name, v)
}
