package wire

func chirpstackV4() adapter { return adapter{} }
