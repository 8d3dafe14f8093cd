package wire

func shellyGen2() adapter { return adapter{} }
