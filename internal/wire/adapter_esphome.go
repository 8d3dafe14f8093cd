package wire

func esphome() adapter { return adapter{} }
