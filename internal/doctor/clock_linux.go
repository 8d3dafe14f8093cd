package doctor

import "syscall"

// unsynchronised is what the kernel answers while nothing keeps its clock right.
const unsynchronised = 5

func clock() Finding {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	if err != nil || state == unsynchronised {
		return warn("clock", "install chrony or enable systemd-timesyncd: reads more than 10 s off are refused",
			"nothing keeps this machine's clock right (NTP)")
	}
	return fine("clock", "it is kept right by NTP")
}
