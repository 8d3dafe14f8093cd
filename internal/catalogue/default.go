package catalogue

import _ "embed"

//go:embed lorntech.yaml
var lorntech string

// Default returns the LORnTECH network: the Totem buildings of Metz, Nancy,
// Thionville and Épinal. It is used where no catalogue is named.
func Default() (*Network, error) { return Parse(DefaultName, []byte(lorntech)) }

// DefaultName is the name of the built-in network's file.
const DefaultName = "lorntech.yaml"

// DefaultText returns the text of the built-in network's file.
func DefaultText() []byte { return []byte(lorntech) }
