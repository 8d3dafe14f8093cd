package cli

import "github.com/lorntech/totem/internal/access"

// inWords says what each reason of a decision means.
var inWords = map[access.Reason]string{
	access.Egress:              "Exits are never refused.",
	access.DeviceDisabled:      "The reader is disabled in the catalogue: it lets nobody in.",
	access.Stale:               "The badge's time is more than 10 s off: a late message, or a wrong clock.",
	access.UnknownCredential:   "No badge with this number is known.",
	access.CredentialLost:      "The badge was reported lost.",
	access.CredentialRevoked:   "The badge was revoked.",
	access.CredentialOutOfDate: "The badge is not valid yet, or no more.",
	access.Lockdown:            "The site is in lockdown: only responders may enter.",
	access.Staff:               "The member is staff of this site.",
	access.Lease:               "A lease gives a space behind this door.",
	access.Pass:                "A visitor's pass is for a space behind this door.",
	access.Event:               "The member is invited to an event behind this door.",
	access.AntiPassback:        "By the badges the member is inside already.",
	access.OutsideHours:        "A right leads through this door, but not at this time.",
	access.LeaseSuspended:      "The lease that would open this door is suspended.",
	access.LeaseNotStarted:     "The lease that would open this door has not begun yet.",
	access.LeaseEnded:          "The lease that would open this door has ended.",
	access.NoRight:             "None of the member's rights leads through this door.",
	access.Unavailable:         "The ledger cannot tell where the member is, and nobody enters on a guess.",
}
