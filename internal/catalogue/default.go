package catalogue

import _ "embed"

//go:embed lorntech.yaml
var lorntech string

// Default returns the LORnTECH network: the Totem buildings of Metz, Nancy,
// Thionville and Épinal. It is what runs where no catalogue is named.
func Default() (*Network, error) { return Parse("lorntech.yaml", []byte(lorntech)) }
