package sheets

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// maxFiles and maxSize limit an archive, once it is unpacked.
const (
	maxFiles = 64
	maxSize  = 64 << 20
)

// unpack reads the files of a zip.
func unpack(data []byte) (map[string][]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, errors.New("is not a readable zip")
	}
	files, total := map[string][]byte{}, 0
	for _, f := range z.File {
		switch name := path.Base(f.Name); {
		case f.Name == "[Content_Types].xml":
			return nil, errors.New("is an Excel workbook: save the sheet as CSV")
		case f.Name == "mimetype":
			return nil, errors.New("is an OpenDocument spreadsheet: save the sheet as CSV")
		case f.FileInfo().IsDir() || strings.HasPrefix(f.Name, "__MACOSX/") || strings.HasPrefix(name, "."):
			continue // files that file managers add
		}
		if len(files) == maxFiles {
			return nil, fmt.Errorf("contains more than %d files", maxFiles)
		}
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s cannot be unpacked", f.Name)
		}
		text, err := io.ReadAll(io.LimitReader(in, int64(maxSize-total)+1))
		if err = errors.Join(err, in.Close()); err != nil {
			return nil, fmt.Errorf("%s cannot be unpacked", f.Name)
		}
		if total += len(text); total > maxSize {
			return nil, fmt.Errorf("contains more than %d MB", maxSize>>20)
		}
		name := path.Base(f.Name)
		if _, twice := files[name]; twice {
			return nil, fmt.Errorf("contains %s twice", name)
		}
		files[name] = text
	}
	return files, nil
}
