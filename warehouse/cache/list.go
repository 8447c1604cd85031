package cache

// fileList holds the copies that nobody uses, in the order in which they were
// last used. The zero list is empty.
type fileList struct{ newest, oldest *sectionFile }

// push adds f as the newest.
func (l *fileList) push(f *sectionFile) {
	f.older, f.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = f
	} else {
		l.oldest = f
	}
	l.newest = f
	f.listed = true
}

// remove takes f out; nothing happens if it is not in the list.
func (l *fileList) remove(f *sectionFile) {
	if !f.listed {
		return
	}
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		l.oldest = f.newer
	}
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		l.newest = f.older
	}
	f.older, f.newer, f.listed = nil, nil, false
}
