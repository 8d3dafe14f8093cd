package wire

func tasmota() adapter { return adapter{} }
