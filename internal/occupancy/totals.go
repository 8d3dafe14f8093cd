package occupancy

// Limits of a plausible difference between lifetime totals (docs/devices.md,
// trap 10).
const (
	// plausibleJump is how many people may pass between two messages that both arrived.
	plausibleJump = 10_000
	// plausibleStart is how many may have passed since a counter began at zero again.
	plausibleStart = 500
)

// Since returns how many people went in and out since an earlier message. A
// counter that went back is taken to have rolled over at 2^16 or 2^32, or to have
// started at zero again, where that is plausible. Where it is not, or where the
// counter jumped too far ahead, reset is true and nobody is counted.
func (t *Totals) Since(earlier *Totals) (in, out int, reset bool) {
	if earlier == nil {
		return 0, 0, false // the first totals do not tell since when they count
	}
	in, okIn := since(earlier.In, t.In)
	out, okOut := since(earlier.Out, t.Out)
	if !okIn || !okOut {
		return 0, 0, true
	}
	return in, out, false
}

func since(old, now uint64) (n int, ok bool) {
	if now >= old {
		return int(min(now-old, plausibleJump)), now-old <= plausibleJump
	}
	for _, size := range []uint64{1 << 16, 1 << 32} {
		if old < size && old >= size-plausibleStart && now+size-old <= plausibleStart {
			return int(now + size - old), true
		}
	}
	return int(min(now, plausibleStart)), now <= plausibleStart
}
