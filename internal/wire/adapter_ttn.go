package wire

func ttnV3() adapter { return adapter{} }
