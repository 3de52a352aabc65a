package mapping

// Remembered returns how many types were examined and are remembered.
func (b *InBand) Remembered() int {
	n := 0
	if known := b.generated.known.Load(); known != nil {
		n += len(*known)
	}
	if known := b.others.known.Load(); known != nil {
		n += len(*known)
	}
	return n
}
