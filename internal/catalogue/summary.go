package catalogue

// SummaryRow is one site's row in the output of `totem catalogue check`.
type SummaryRow struct {
	Site       SiteID
	Buildings  int
	Spaces     int
	Doors      int
	Devices    int
	AreaM2     float64 // area of all spaces
	LettableM2 float64 // area of spaces with a rent
}

// Summary counts what each site has, in the catalogue's order.
func (n *Network) Summary() []SummaryRow {
	rows := make([]SummaryRow, len(n.Sites))
	at := map[SiteID]*SummaryRow{}
	for i, s := range n.Sites {
		rows[i].Site = s.ID
		at[s.ID] = &rows[i]
	}
	for _, b := range n.Buildings {
		at[b.Site].Buildings++
	}
	for _, s := range n.Spaces {
		row := at[s.Site]
		row.Spaces++
		row.AreaM2 += s.AreaM2
		if s.RentCents > 0 {
			row.LettableM2 += s.AreaM2
		}
	}
	for _, d := range n.Doors {
		at[d.Site].Doors++
	}
	for _, d := range n.Devices {
		at[d.Site].Devices++
	}
	return rows
}
