package sheets

import (
	"archive/zip"
	"encoding/csv"
	"io"

	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/tenancy"
)

// Export writes all of a book as a zip of CSV files, one for each kind, which
// Import reads back: the same book gives the same files.
func Export(w io.Writer, b *tenancy.Book, k *keys.Ring) error {
	z := zip.NewWriter(w)
	for _, s := range sheets() {
		f, err := z.CreateHeader(&zip.FileHeader{Name: s.called() + ".csv", Method: zip.Deflate})
		if err != nil {
			return err
		}
		if err := s.write(b, Fingerprint(k), f); err != nil {
			return err
		}
	}
	return z.Close()
}

// write writes the columns that can be read back, a line for each record by id.
func (k kind[T]) write(b *tenancy.Book, fingerprint string, w io.Writer) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true // line ends of RFC 4180
	var header []string
	for _, c := range k.columns {
		if c.get != nil || c.name == "keys" {
			header = append(header, c.name)
		}
	}
	if err := out.Write(header); err != nil {
		return err
	}
	for v := range k.all(b) {
		var row []string
		for _, c := range k.columns {
			switch {
			case c.get != nil:
				row = append(row, c.get(&v))
			case c.name == "keys":
				row = append(row, fingerprint)
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
