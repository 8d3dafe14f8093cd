package mqttclient

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// readPacket reads one packet: its first byte, and its body into body's memory
// where it fits.
func readPacket(in *bufio.Reader, body []byte) (byte, []byte, error) {
	head, err := in.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	size, shift := 0, 0
	for {
		x, err := in.ReadByte()
		if err != nil {
			return 0, nil, err
		}
		size |= int(x&0x7f) << shift
		if x&0x80 == 0 {
			break
		}
		if shift += 7; shift > 21 {
			return 0, nil, errors.New("malformed packet length")
		}
	}
	if cap(body) < size {
		body = make([]byte, size)
	}
	body = body[:size]
	_, err = io.ReadFull(in, body)
	return head, body, err
}

func connect(o *Options) []byte {
	flags := byte(0)
	if !o.Persistent {
		flags |= 2
	}
	if o.WillTopic != "" {
		flags |= 4 | 1<<3
	}
	if o.Username != "" {
		flags |= 0x80
		if o.Password != "" {
			flags |= 0x40
		}
	}
	keepAlive := uint16(max(0, min(o.KeepAlive/time.Second, 65535)))
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, flags}, byte(keepAlive>>8), byte(keepAlive))
	body = appendString(body, o.ClientID)
	if o.WillTopic != "" {
		body = appendString(appendString(body, o.WillTopic), string(o.Will))
	}
	if o.Username != "" {
		body = appendString(body, o.Username)
		if o.Password != "" {
			body = appendString(body, o.Password)
		}
	}
	return append(appendLength([]byte{0x10}, len(body)), body...)
}

func appendPublish(out []byte, head byte, id uint16, topic string, payload []byte) []byte {
	out = appendLength(append(out, head), 2+len(topic)+2+len(payload))
	out = appendString(out, topic)
	out = binary.BigEndian.AppendUint16(out, id)
	return append(out, payload...)
}

func appendSubscribe(out []byte, id uint16, filter string) []byte {
	out = appendLength(append(out, 0x82), 2+2+len(filter)+1)
	out = binary.BigEndian.AppendUint16(out, id)
	return append(appendString(out, filter), 1)
}

func appendString(out []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(out, uint16(len(s))), s...)
}

func appendLength(out []byte, n int) []byte {
	for n >= 0x80 {
		out = append(out, byte(n)|0x80)
		n >>= 7
	}
	return append(out, byte(n))
}
