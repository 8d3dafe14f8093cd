package tenancy

import (
	"iter"
	"maps"
	"slices"
)

// AddFormer remembers until when a badge was somebody's: its credential was
// deleted, or given another UID. A read of before is that holder's.
func (b *Book) AddFormer(f Former) {
	list := append(slices.Clone(b.formers[f.Lookup]), f)
	slices.SortStableFunc(list, func(a, b Former) int { return a.Until.Compare(b.Until) })
	b.formers[f.Lookup] = list
}

// FormersOf returns a badge's former holders, the earliest first.
func (b *Book) FormersOf(h CredentialHash) []Former { return b.formers[h] }

// Formers iterates the former holders of all badges, in no order of badges.
func (b *Book) Formers() iter.Seq[[]Former] { return maps.Values(b.formers) }

// ForgetFormer takes a person from the badges that they held, and returns what
// is left of those.
func (b *Book) ForgetFormer(id MemberID) []Former {
	var left []Former
	for hash, list := range b.formers {
		if !slices.ContainsFunc(list, func(f Former) bool { return f.Member == id }) {
			continue
		}
		list = slices.Clone(list)
		for i := range list {
			if list[i].Member == id {
				list[i].Member = ""
				left = append(left, list[i])
			}
		}
		b.formers[hash] = list
	}
	return left
}
