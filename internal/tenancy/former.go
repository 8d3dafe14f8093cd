package tenancy

import (
	"iter"
	"maps"
	"slices"
)

// AddFormer records until when a badge was somebody's: its credential was
// deleted, or got another UID. Earlier reads belong to that holder.
func (b *Book) AddFormer(f Former) {
	list := append(slices.Clone(b.formers[f.Lookup]), f)
	slices.SortStableFunc(list, func(a, b Former) int { return a.Until.Compare(b.Until) })
	b.formers[f.Lookup] = list
}

// FormersOf returns a badge's former holders, the earliest first.
func (b *Book) FormersOf(h CredentialHash) []Former { return b.formers[h] }

// Formers iterates the former holders of all badges, in no order of badges.
func (b *Book) Formers() iter.Seq[[]Former] { return maps.Values(b.formers) }

// ForgetFormer removes a person from the badges that they held, and returns the
// remaining records.
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
