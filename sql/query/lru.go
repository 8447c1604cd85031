package query

import "container/list"

// lru holds values under a budget of bytes and forgets the least recently used.
//
// Concurrency: none; the owner locks.
type lru[K comparable, V any] struct {
	max, size int64
	order     *list.List // of *lruEntry, most recently used first
	entries   map[K]*list.Element
	evicted   func(V) // nil ok
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
	bytes int64
}

func newLRU[K comparable, V any](maxBytes int64, evicted func(V)) *lru[K, V] {
	return &lru[K, V]{max: maxBytes, order: list.New(), entries: map[K]*list.Element{}, evicted: evicted}
}

func (c *lru[K, V]) lookup(key K) (v V, ok bool) {
	el, ok := c.entries[key]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*lruEntry[K, V]).value, true
}

// add remembers the value, unless the key is there already.
func (c *lru[K, V]) add(key K, value V, bytes int64) bool {
	if _, ok := c.entries[key]; ok {
		return false
	}
	c.entries[key] = c.order.PushFront(&lruEntry[K, V]{key, value, bytes})
	c.size += bytes
	return true
}

// trim forgets entries until the budget holds.
func (c *lru[K, V]) trim() {
	for c.size > c.max && c.order.Len() > 0 {
		el := c.order.Back()
		e := c.order.Remove(el).(*lruEntry[K, V])
		delete(c.entries, e.key)
		c.size -= e.bytes
		if c.evicted != nil {
			c.evicted(e.value)
		}
	}
}
