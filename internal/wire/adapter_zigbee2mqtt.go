package wire

func zigbee2mqtt() adapter { return adapter{} }
