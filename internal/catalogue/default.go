package catalogue

import _ "embed"

//go:embed lorntech.yaml
var lorntech string

// Default returns the LORnTECH network: the Totem buildings of Metz, Nancy,
// Thionville and Épinal. It is what runs where no catalogue is named.
func Default() (*Network, error) { return Parse(DefaultName, []byte(lorntech)) }

// DefaultName is what the built-in network's file is called.
const DefaultName = "lorntech.yaml"

// DefaultText returns the built-in network as it is written.
func DefaultText() []byte { return []byte(lorntech) }
