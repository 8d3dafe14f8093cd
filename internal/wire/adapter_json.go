package wire

func jsonAdapter() adapter { return adapter{} }
