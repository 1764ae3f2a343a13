package fuel

// tables bounds how far each table may grow.
func tables(section []byte) ([]byte, error) {
	if section == nil {
		return nil, nil
	}
	r := reader{all: section}
	n := r.count()
	out := appendNumber(make([]byte, 0, len(section)+8), n)
	var total uint64
	for left := n; left > 0 && r.err == nil; left-- {
		kind := r.byte()
		least, most, bounded := r.limits()
		if total += uint64(least); total > maxTable {
			return nil, ErrTables
		}
		// The share of each, so that together they stay within the bound.
		if share := max(least, maxTable/n); !bounded || most > share && most >= least {
			most = share
		}
		out = appendNumber(append(out, kind, 1), least)
		out = appendNumber(out, most)
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return out, nil
}

// expression copies a constant one.
func (c counter) expression(out []byte, r *reader) []byte {
	for r.more() {
		at := r.at
		i := r.instruction()
		if i.opcode == opRefFunc {
			out = appendNumber(append(out, opRefFunc), c.moved(i.function))
			continue
		}
		out = append(out, r.all[at:r.at]...)
		if i.opcode == opEnd {
			return out
		}
	}
	r.fail(errMalformed)
	return out
}

// globals rewrites what globals begin with.
func (c counter) globals(section []byte) ([]byte, error) {
	if len(section) == 0 {
		return section, nil
	}
	r := reader{all: section}
	n := r.count()
	out := appendNumber(make([]byte, 0, len(section)+8), n)
	for ; n > 0 && r.err == nil; n-- {
		out = append(out, r.bytes(2)...) // type, mutability
		out = c.expression(out, &r)
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return out, nil
}

func (c counter) exports(section []byte) ([]byte, error) {
	if section == nil {
		return nil, nil
	}
	r := reader{all: section}
	n := r.count()
	out := appendNumber(make([]byte, 0, len(section)+int(min(n, uint32(len(section))))), n)
	for ; n > 0 && r.err == nil; n-- {
		name := r.name()
		kind, index := r.byte(), r.number()
		if kind == kindFunction {
			index = c.moved(index)
		}
		out = append(appendNumber(out, uint32(len(name))), name...)
		out = appendNumber(append(out, kind), index)
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return out, nil
}

func (c counter) start(section []byte) ([]byte, error) {
	if section == nil {
		return nil, nil
	}
	r := reader{all: section}
	out := appendNumber(nil, c.moved(r.number()))
	if err := r.end(); err != nil {
		return nil, err
	}
	return out, nil
}

// elements rewrites the segments of functions that fill tables. Their eight forms are told apart by the bits of their first number: 1 passive
// or declared, 2 with a table's index (or declared), 4 with expressions in place of indices.
func (c counter) elements(section []byte) ([]byte, error) {
	if section == nil {
		return nil, nil
	}
	r := reader{all: section}
	n := r.count()
	out := appendNumber(make([]byte, 0, len(section)+len(section)/8), n)
	for ; n > 0 && r.err == nil; n-- {
		form := r.number()
		if form > 7 {
			return nil, errMalformed
		}
		out = appendNumber(out, form)
		if form&1 == 0 {
			if form&2 != 0 {
				out = appendNumber(out, r.number())
			}
			out = c.expression(out, &r)
		}
		if form&3 != 0 {
			out = append(out, r.byte()) // kind of element, or type of reference
		}
		count := r.count()
		out = appendNumber(out, count)
		for ; count > 0 && r.err == nil; count-- {
			if form&4 != 0 {
				out = c.expression(out, &r)
			} else {
				out = appendNumber(out, c.moved(r.number()))
			}
		}
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return out, nil
}
