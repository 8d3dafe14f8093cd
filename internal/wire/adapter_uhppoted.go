package wire

func uhppoted() adapter { return adapter{} }
