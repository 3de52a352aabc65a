package inband

// Remembered returns how many types were examined and are remembered.
func (f *Format) Remembered() int {
	n := 0
	if known := f.generated.known.Load(); known != nil {
		n += len(*known)
	}
	if known := f.others.known.Load(); known != nil {
		n += len(*known)
	}
	return n
}
