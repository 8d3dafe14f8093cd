package wire

func espRFID() adapter { return adapter{} }
